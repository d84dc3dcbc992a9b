"""The files from which a service reads its passwords. They are what a mounted secret is in a container.

A service reads its file at each login, so a new password needs no restart.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shop_stack.passwords import Passwords, write_private_text


@dataclass(frozen=True)
class SecretFiles:
    """The files of one service, in a folder that only the user of the stack can read."""

    folder: Path
    service: str

    @property
    def database(self) -> Path:
        """The file with the password of its role in PostgreSQL."""
        return self.folder / f"{self.service}-database"

    @property
    def kafka(self) -> Path:
        """The file with the password of its user in Kafka."""
        return self.folder / f"{self.service}-kafka"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that name the files to the service."""
        return {
            "DATABASE_PASSWORD_FILE": str(self.database),
            "KAFKA_SASL_PASSWORD_FILE": str(self.kafka),
        }

    def write(self, passwords: Passwords) -> None:
        """Write both files. A reader sees the old password or the new one, and never a part of it."""
        write_private_text(self.database, passwords.by_role[self.service])
        write_private_text(self.kafka, passwords.by_principal[self.service])
