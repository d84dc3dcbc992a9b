"""Settings, from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from issuer.clients import CLIENTS


@dataclass(frozen=True, slots=True)
class Settings:
    host: str
    port: int
    url: str
    """The issuer's own address, as it is in tokens (`iss`) and as the services reach it."""
    keys: Path
    """The file of the private keys."""
    customers: Path
    """The file of the customers' directory."""
    secrets: Mapping[str, str] = field(repr=False)
    """Client → its secret."""
    token_seconds: int = 3600
    rotation_seconds: int = 86_400
    address_domain: str = "customers.example"
    """Completes a login name that is no e-mail address."""


class SettingMissing(ValueError):
    """A variable of the environment is not set."""


def from_environment(variables: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings. Raises SettingMissing, or ValueError if the value of a number is not a number."""
    host = variables.get("HTTP_HOST", "127.0.0.1")
    port = int(variables.get("HTTP_PORT", "18012"))
    return Settings(
        host=host,
        port=port,
        url=variables.get("ISSUER_URL", f"http://{host}:{port}"),
        keys=Path(variables.get("ISSUER_KEYS", "issuer-keys.json")),
        customers=Path(variables.get("ISSUER_CUSTOMERS", "issuer-customers.sqlite3")),
        secrets={name: _required(variables, f"ISSUER_{name.upper()}_SECRET") for name in CLIENTS},
        token_seconds=int(variables.get("ISSUER_TOKEN_SECONDS", "3600")),
        rotation_seconds=int(variables.get("ISSUER_ROTATION_SECONDS", "86400")),
        address_domain=variables.get("ISSUER_ADDRESS_DOMAIN", "customers.example"),
    )


def _required(variables: Mapping[str, str], name: str) -> str:
    value = variables.get(name, "")
    if not value:
        raise SettingMissing(f"{name} is not set: the issuer has no client without a secret.")
    return value
