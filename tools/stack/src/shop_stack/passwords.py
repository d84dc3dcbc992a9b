"""The random passwords of a stack. They are kept as long as its databases."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from shop_stack.errors import UserError
from shop_stack.ports import SERVICES
from shop_stack.postgres import SUPERUSER, Roles

ISSUER_CLIENTS = ("storefront", "clerk", "operator")
"""The clients of the issuer, each with a secret."""


@dataclass(frozen=True)
class Passwords:
    """Role name → password; `client-` and the name of a client of the issuer → its secret."""

    by_role: dict[str, str]

    @property
    def superuser(self) -> str:
        return self.by_role[SUPERUSER]

    @property
    def client_secrets(self) -> dict[str, str]:
        """The secrets of the issuer's clients: client → secret."""
        return {name: self.by_role[f"client-{name}"] for name in ISSUER_CLIENTS}

    def roles(self, service: str) -> Roles:
        return Roles(service, self.by_role[service], self.by_role[f"{service}_owner"])


def load_or_make(file: Path) -> Passwords:
    """Read the passwords from `file`. Passwords that are missing are generated and written.

    Only the owner may read the file. Raises UserError if it cannot be read or parsed.
    """
    wanted = [
        SUPERUSER,
        *(role for name in SERVICES for role in (name, f"{name}_owner")),
        *(f"client-{name}" for name in ISSUER_CLIENTS),
    ]
    known = _read(file) if file.exists() else {}
    complete = {role: known.get(role) or secrets.token_urlsafe(24) for role in wanted}
    if complete != known:
        write_private(file, complete)
    return Passwords(complete)


def _read(file: Path) -> dict[str, str]:
    try:
        found = json.loads(file.read_text())
        return {str(role): str(password) for role, password in found.items()}
    except (OSError, ValueError, AttributeError):
        raise UserError(
            f"{file} cannot be read, and the databases cannot be opened without its passwords: put it back as it was."
        ) from None


def write_private(file: Path, content: object) -> None:
    """Write JSON so that no other user can ever read it, and that no reader sees an incomplete file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    written = file.with_suffix(".new")
    written.unlink(missing_ok=True)
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump(content, stream, indent=2)
    written.replace(file)
