"""Settings, from the environment."""

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    host: str
    port: int
    ledger: str
    slow_seconds: float


def from_environment() -> Settings:
    """Read the settings. Raises ValueError if the value of a number is not a number."""
    return Settings(
        host=os.environ.get("HTTP_HOST", "127.0.0.1"),
        port=int(os.environ.get("HTTP_PORT", "18010")),
        ledger=os.environ.get("PROCESSOR_LEDGER", "ledger.sqlite3"),
        slow_seconds=float(os.environ.get("PROCESSOR_SLOW_SECONDS", "2")),
    )
