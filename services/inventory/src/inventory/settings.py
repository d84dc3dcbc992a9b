"""What the environment tells this service."""

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """The chassis's settings are all that inventory needs."""

    service_name: str = "inventory"
