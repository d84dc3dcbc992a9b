"""The settings of the inventory service, from its environment."""

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """The inventory service has only the settings that every service has."""

    service_name: str = "inventory"
