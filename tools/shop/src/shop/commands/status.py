"""`shop status`: every process with its resources and readiness, and the dead letters of the services."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from shop.letters import Letters, OpenLetter, open_letters, warning
from shop_stack import embedded
from shop_stack.deployed import CLONE
from shop_stack.emancipation import journal
from shop_stack.embedded import Status
from shop_stack.hands import Act
from shop_stack.logins import OPERATOR, Login
from shop_stack.shapes import Shape
from shop_stack.stack import Stack

MEGABYTE = 1_000_000
NOT_READY = 3
DEAD_LETTERS = 4


def status(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show every process: state, release, port, memory, CPU; and which services have open dead letters.

    `clone` is the code of this repository; a version was deployed. Parts that
    you have stopped, frozen or slowed down are named under the table, with the
    command that undoes it.

    Exit code 0 if all are ready, 3 if not, 4 if all are ready but a service
    has dead letters that wait for a decision.
    """
    stack = embedded.stack()
    found, letters = asyncio.run(look(stack))
    if as_json:
        typer.echo(json.dumps(facts(found, letters) | {"shape": stack.shape.facts}, indent=2))
    else:
        console = Console(highlight=False)
        console.print(table(found))
        if stack.shape != Shape():
            console.print(f"The shop is {stack.shape}.", soft_wrap=True)
        if (move := journal.read(stack.state)) is not None:
            console.print(move.sentence, style="yellow", soft_wrap=True)
        for part in found:
            if part.release not in ("", CLONE):
                console.print(f"{part.name} runs the release {part.release}.", soft_wrap=True)
        for part in found:
            if part.act:
                console.print(undo(part), style="yellow", soft_wrap=True)
        for service, kept in letters.items():
            if kept:
                console.print(warning(service, kept), style="yellow", soft_wrap=True)
    raise typer.Exit(exit_code(found, letters))


async def look(stack: Stack) -> tuple[list[Status], Letters]:
    """Every process, and the open dead letters of each service that runs."""
    found = await embedded.status(stack)
    units = [part.name for part in found if part.running and part.act is not Act.FROZEN]
    running = {service for unit in units for service in stack.members(unit)}
    urls = {name: stack.management_url(name) for name in stack.services if name in running}
    if not urls:
        return found, {}
    return found, await open_letters(urls, Login(stack.issuer, OPERATOR))


def exit_code(found: Sequence[Status], letters: Letters) -> int:
    """The exit code of the command: 0, NOT_READY or DEAD_LETTERS."""
    if not all(part.ready for part in found):
        return NOT_READY
    return DEAD_LETTERS if any(letters.values()) else 0


def facts(found: Sequence[Status], letters: Letters) -> dict[str, Any]:
    """The status as JSON: sizes in bytes, times in seconds. `dead_letters` is null for a service without an answer."""
    return {
        "parts": [_facts_of(part) for part in found],
        "resident_bytes": sum(part.resources.resident for part in found if part.resources),
        "proportional_bytes": sum(part.resources.proportional for part in found if part.resources),
        "ready": all(part.ready for part in found),
        "dead_letters": {
            service: None if kept is None else _facts_of_letters(kept) for service, kept in letters.items()
        },
    }


def _facts_of_letters(kept: Sequence[OpenLetter]) -> dict[str, Any]:
    since = min((letter.since for letter in kept), default=None)
    return {"open": len(kept), "since": None if since is None else since.isoformat()}


def _facts_of(part: Status) -> dict[str, Any]:
    resources = part.resources
    return {
        "name": part.name,
        "state": state(part),
        "ready": part.ready,
        "by_hand": str(part.act) or None,
        "pid": part.pid,
        "port": part.port,
        "release": part.release or None,
        "uptime_seconds": None if part.uptime is None else round(part.uptime, 1),
        "resident_bytes": resources.resident if resources else None,
        "proportional_bytes": resources.proportional if resources else None,
        "cpu_seconds": round(resources.cpu_seconds, 2) if resources else None,
    }


def state(part: Status) -> str:
    """The state of a process in one or two words."""
    if not part.running:
        return "stopped"
    if part.act:
        return str(part.act)
    return "ready" if part.ready else "not ready"


def undo(part: Status) -> str:
    """One sentence: what a person has done to a part, and the command that undoes it."""
    command = "start" if part.act is Act.STOPPED else "resume"
    return f"{part.name} is {part.act} by hand: `shop {command} {part.name}`"


def table(found: Sequence[Status]) -> Table:
    """The table of the processes, with the sums of their memory."""
    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_footer=True)
    resident = sum(part.resources.resident for part in found if part.resources)
    proportional = sum(part.resources.proportional for part in found if part.resources)
    shown.add_column("part", footer="total")
    shown.add_column("state")
    shown.add_column("pid", justify="right")
    shown.add_column("port", justify="right")
    shown.add_column("up", justify="right")
    shown.add_column("resident MB", justify="right", footer=_megabytes(resident))
    shown.add_column("share MB", justify="right", footer=_megabytes(proportional))
    shown.add_column("CPU s", justify="right")
    for part in found:
        shown.add_row(*_cells(part))
    return shown


def _cells(part: Status) -> list[str]:
    colour = {"ready": "green", "stopped": "red"}.get(state(part), "yellow")
    resources = part.resources
    return [
        part.name,
        f"[{colour}]{state(part)}[/]",
        str(part.pid or ""),
        str(part.port),
        _duration(part.uptime),
        _megabytes(resources.resident) if resources else "",
        _megabytes(resources.proportional) if resources else "",
        f"{resources.cpu_seconds:.1f}" if resources else "",
    ]


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:.0f}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
