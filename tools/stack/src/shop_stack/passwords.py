"""The random passwords of a stack: PostgreSQL, Kafka, issuer, card processor. They are kept as long as its data."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from shop_stack.errors import UserError
from shop_stack.ports import SERVICES
from shop_stack.postgres import SUPERUSER, Roles
from shop_stack.rights import LAB, ORACLE, STACK

KAFKA_PRINCIPALS = (STACK, *SERVICES, ORACLE, LAB)
"""The principals that have a password. Whether a broker knows them depends on the program that creates its users."""

ISSUER_CLIENTS = ("storefront", "clerk", "operator", "notifications")
"""The clients of the issuer, each with a secret."""
PROCESSOR_KEY = "processor-key"


@dataclass(frozen=True)
class Passwords:
    """Database role → password, principal of Kafka → password, and client of the issuer → its secret.

    `processor_key` is the merchant's key at the card processor.
    """

    by_role: dict[str, str]
    by_principal: Mapping[str, str]
    client_secrets: Mapping[str, str]
    processor_key: str

    @property
    def superuser(self) -> str:
        return self.by_role[SUPERUSER]

    def roles(self, service: str) -> Roles:
        return Roles(service, self.by_role[service], self.by_role[f"{service}_owner"])


def name_of_login(principal: str) -> str:
    """The name of a Kafka principal's password in the file. A role of PostgreSQL may have the same name."""
    return f"kafka/{principal}"


def load_or_make(file: Path) -> Passwords:
    """Read the passwords from `file`. Passwords that are missing are generated and written.

    Only the owner may read the file. Raises UserError if it cannot be read or parsed.
    """
    roles = [SUPERUSER, *(role for name in SERVICES for role in (name, f"{name}_owner"))]
    logins = {principal: name_of_login(principal) for principal in KAFKA_PRINCIPALS}
    clients = {client: f"client-{client}" for client in ISSUER_CLIENTS}
    known = _read(file) if file.exists() else {}
    wanted = (*roles, *logins.values(), *clients.values(), PROCESSOR_KEY)
    complete = {name: known.get(name) or new_password() for name in wanted}
    if complete != known:
        write_private(file, complete)
    return Passwords(
        {role: complete[role] for role in roles},
        {principal: complete[name] for principal, name in logins.items()},
        {client: complete[name] for client, name in clients.items()},
        complete[PROCESSOR_KEY],
    )


def renew(file: Path, names: Collection[str]) -> None:
    """Write new passwords for these names, which are roles or results of `name_of_login`. All others stay.

    Raises UserError if the file cannot be read, and KeyError if it lacks a name.
    """
    known = _read(file)
    if missing := set(names) - known.keys():
        raise KeyError(f"{file} has no password of {', '.join(sorted(missing))}")
    write_private(file, known | {name: new_password() for name in names})


def new_password() -> str:
    """A random password of 192 bits, in letters, digits, hyphens and underscores."""
    return secrets.token_urlsafe(24)


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
    write_private_text(file, json.dumps(content, indent=2))


def write_private_text(file: Path, content: str) -> None:
    """Write a text so that no other user can ever read it, and that no reader sees an incomplete file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    written = file.with_suffix(".new")
    written.unlink(missing_ok=True)
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(content)
    written.replace(file)
