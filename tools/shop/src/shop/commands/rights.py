"""`shop rights`: what each login may do, which is what a thief of its password could do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from shop_stack import embedded, paths, rights, topics
from shop_stack.errors import UserError
from shop_stack.rights import Operation, Resource, Right
from shop_stack.rights_trials import expected, faults, try_all
from shop_stack.stack import KAFKA, Stack

OF_THE_LAB = (
    f"On an embedded stack on which `shop send` was used, the login {rights.LAB} may also write to every topic: it "
    "plays a foreign program. It is not tried."
)
NO_SUCH_GROUP = "no-such-group"


def rights_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    tried: Annotated[
        bool,
        typer.Option("--try", help="Try each right on Kafka of the running embedded stack, and compare."),
    ] = False,
) -> None:
    """Show what each login of Kafka and PostgreSQL may do.

    It is what a thief of one password could do. The rights follow from
    contracts/topics.yaml: a service writes the topics that it owns, reads those
    that name it as a reader, and commits offsets in the group of its own name.
    Kafka refuses everything that the list does not have.

    With --try, each login tries each operation on each topic and group of the
    embedded stack. A trial changes nothing. Exit code 1 if Kafka allows more or
    less than the list. If it does, run `shop up`: it gives each login its rights
    again, and takes the others away.
    """
    declared = topics.entries(paths.contracts())
    logins = [*rights.principals(declared), rights.STACK]
    found = asyncio.run(differences(embedded.stack())) if tried else None
    if as_json:
        typer.echo(json.dumps(facts(logins, declared, found), indent=2))
    else:
        console = Console(highlight=False)
        console.print(table(logins, declared))
        console.print(OF_THE_LAB, soft_wrap=True)
        for line in outcome(found):
            console.print(line, soft_wrap=True)
    if found:
        raise typer.Exit(1)


async def differences(stack: Stack) -> list[str]:
    """Try each right of each login on the running broker. Returns the differences, one sentence each.

    Raises UserError if Kafka does not run.
    """
    if stack.daemon(KAFKA).process() is None:
        raise UserError("Kafka does not run, so no right can be tried: start the shop with `shop up`.")
    declared = topics.entries(paths.contracts())
    principals = rights.principals(declared)
    names = [str(topic["name"]) for topic in declared]
    logins = [stack.logins.of(principal) for principal in principals]
    answers = await try_all(logins, names, rights.readers_of(declared), NO_SUCH_GROUP)
    return faults(answers, expected(principals, declared, answers.tried))


def table(logins: Sequence[str], declared: rights.Topics) -> Table:
    """One row for each login: what it reads, what it writes, and what its database role may do."""
    found = Table(box=None, pad_edge=False, title_justify="left")
    for heading in ("login", "can read", "can write", "group", "database"):
        found.add_column(heading, overflow="fold")
    for login in logins:
        found.add_row(login, *words(login, declared), style="dim" if login == rights.STACK else "")
        found.add_row()
    return found


def words(login: str, declared: rights.Topics) -> tuple[str, str, str, str]:
    """What a login may do, in plain words: topics to read, topics to write, its group, its database."""
    if login == rights.STACK:
        return ("everything", "everything: it creates topics and users", "every group", "-")
    granted = rights.rights_of(login, declared)
    own_group = named(granted, Resource.GROUP, Operation.READ)
    return (
        "\n".join(named(granted, Resource.TOPIC, Operation.READ)) or "nothing",
        "\n".join(named(granted, Resource.TOPIC, Operation.WRITE)) or "nothing",
        f"commits as {', '.join(own_group)}" if own_group else "sees the offsets of all",
        "all, as the owner of each"
        if login == rights.ORACLE
        else f"rows of {login}; no table, no other database",
    )


def named(granted: Sequence[Right], resource: Resource, operation: Operation) -> list[str]:
    """The names of the resources on which the operation is granted."""
    return [right.name for right in granted if (right.resource, right.operation) == (resource, operation)]


def outcome(found: Sequence[str] | None) -> list[str]:
    """The lines about the trial; none if nothing was tried."""
    if found is None:
        return []
    return [*found] or ["Kafka allows each login exactly this, and nothing else."]


def facts(logins: Sequence[str], declared: rights.Topics, found: Sequence[str] | None) -> Mapping[str, Any]:
    """The rights as JSON. `differences` is null if nothing was tried."""
    return {
        "logins": {
            login: {
                "superuser": login == rights.STACK,
                "kafka": [
                    {"resource": right.resource, "name": right.name, "operation": right.operation}
                    for right in rights.rights_of(login, declared)
                ],
            }
            for login in logins
        },
        "differences": None if found is None else list(found),
    }
