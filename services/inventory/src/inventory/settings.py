"""The settings of inventory, from its environment."""

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """Inventory has only the settings that every service has."""

    service_name: str = "inventory"
