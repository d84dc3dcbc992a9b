"""What analytics is told by its environment: what every service is told, nothing more."""

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    service_name: str = "analytics"
    linger_seconds: float = 1.0
