"""The command `shop rotate`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from shop_stack import embedded, rotation, stack_files, target
from shop_stack.connect import TargetKind, chosen_kind
from shop_stack.errors import UserError
from shop_stack.rights import ORACLE
from shop_stack.stack import Stack

PAGE = "docs/runbooks/rotate-passwords.md"


class Secret(StrEnum):
    """The secrets that the command replaces."""

    ALL = "all"
    DATABASE = "database"
    KAFKA = "kafka"
    KEYS = "keys"


def rotate(
    secret: Annotated[
        Secret,
        typer.Argument(
            help="database: passwords at PostgreSQL. kafka: passwords at Kafka. keys: the issuer's signing key."
        ),
    ] = Secret.ALL,
    service: Annotated[str | None, typer.Argument(help="Only the passwords of this service.")] = None,
) -> None:
    """Replace passwords and the signing key while the shop runs.

    No service restarts, and no order fails. A service reads its password from a
    file at each login. Connections that are open stay open with the old
    password: docs/runbooks/rotate-passwords.md says how to end them after a theft.

    The passwords of the stack's own two logins stay: `topics` at Kafka, and the
    superuser of PostgreSQL. If the command is interrupted, run `shop up`.

    Examples:

        shop rotate

        shop rotate database orders

        shop rotate keys"""
    if chosen_kind() is not TargetKind.EMBEDDED:
        raise UserError(f"`shop rotate` is for the embedded stack: {PAGE} has the way of the others.")
    stack = embedded.stack()
    target.embedded(stack.state)  # raises TargetMissing if the shop does not run
    services = stack.services if service is None else (service,)
    require_passwords_of(stack, secret, service)
    with stack_files.alone(stack):
        if secret in (Secret.DATABASE, Secret.ALL):
            asyncio.run(renew_at_postgresql(stack, services))
        if secret in (Secret.KAFKA, Secret.ALL):
            asyncio.run(renew_at_kafka(stack, services if service else (*services, ORACLE)))
        if service is None and secret in (Secret.KEYS, Secret.ALL):
            typer.echo(f"issuer: signs with the new key {rotation.rotate_keys(stack)}")


def require_passwords_of(stack: Stack, secret: Secret, service: str | None) -> None:
    """Raise UserError if there is no such service, or if the secret belongs to none."""
    if service is None:
        return
    if secret is Secret.KEYS:
        raise UserError("The signing key is that of the issuer: leave the service out.")
    if service not in stack.services:
        raise UserError(f"There is no service {service!r}: choose one of {', '.join(stack.services)}.")


async def renew_at_postgresql(stack: Stack, services: Sequence[str]) -> None:
    """Replace the passwords of both roles of each service, and print a line for each. Raises UserError."""
    for service in services:
        await rotation.rotate_database(stack, service)
        typer.echo(f"{service}: new passwords at PostgreSQL")


async def renew_at_kafka(stack: Stack, principals: Sequence[str]) -> None:
    """Replace the password of each principal, and print a line for each. Raises UserError."""
    for principal in principals:
        await rotation.rotate_kafka(stack, principal)
        typer.echo(f"{principal}: new password at Kafka")
