"""The settings of analytics: those of every service, and no others."""

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    service_name: str = "analytics"
    linger_seconds: float = 1.0
