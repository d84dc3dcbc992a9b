"""Settings, from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Settings:
    host: str
    port: int
    ledger: str
    slow_seconds: float
    api_key: str = field(repr=False)
    """The key of the one merchant, without which no money moves."""


class SettingMissing(ValueError):
    """A variable of the environment is not set."""


def from_environment(variables: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings. Raises SettingMissing, or ValueError if the value of a number is not a number."""
    api_key = variables.get("PROCESSOR_API_KEY", "")
    if not api_key:
        raise SettingMissing("PROCESSOR_API_KEY is not set: without it every program could charge a card.")
    return Settings(
        host=variables.get("HTTP_HOST", "127.0.0.1"),
        port=int(variables.get("HTTP_PORT", "18010")),
        ledger=variables.get("PROCESSOR_LEDGER", "ledger.sqlite3"),
        slow_seconds=float(variables.get("PROCESSOR_SLOW_SECONDS", "2")),
        api_key=api_key,
    )
