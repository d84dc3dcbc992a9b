"""The settings of the analytics service: only those of every service."""

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    service_name: str = "analytics"
    linger_seconds: float = 1.0
