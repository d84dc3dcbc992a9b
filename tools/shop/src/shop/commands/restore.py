"""The command `shop restore`."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console

from shop.restore.run import Outcome
from shop.restore.run import restore as run_restore
from shop_stack import archive, embedded, stack_files, target
from shop_stack.admin import require_service
from shop_stack.errors import UserError
from shop_stack.stack import KAFKA, POSTGRES, PROCESSOR, Stack

AGO = re.compile(r"(\d+)(s|m|h|d)")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def restore(
    service: Annotated[
        str, typer.Argument(metavar="SERVICE", help="The service whose database is restored.")
    ],
    to: Annotated[
        str, typer.Option("--to", metavar="TIME", help="A time such as 2026-11-29T12:30:00Z, or 10m for ago.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Restore the database of one stopped service to a time, make it whole with the others, and start the service.

    The other services stay as they are. What the service told them since TIME is
    written into its database again, and it reads again what they told it. Orders
    that cannot be made whole are listed, each with a command.

    The replaced database is kept as SERVICE_former until the next restore.
    Needs `shop up --archive` before TIME. A TIME without an offset is UTC.

    Examples:

        shop stop orders
        shop restore orders --to 2026-11-29T12:30:00Z
        shop check

        shop restore payments --to 10m --json | jq .not_whole"""
    require_service(service)
    moment = time_of(to, datetime.now(UTC))
    stack = embedded.stack()
    archive.require_on(stack)
    running = target.embedded(stack.state)
    backup = archive_for(stack, service, moment)
    with Console(stderr=True).status("beginning") as status, stack_files.alone(stack):
        restoring = run_restore(stack, running, service, moment, backup, lambda step: status.update(step))
        outcome = asyncio.run(restoring)
    if as_json:
        typer.echo(json.dumps(outcome.as_json(), indent=2))
    else:
        show(outcome, Console(highlight=False))


def archive_for(stack: Stack, service: str, to: datetime) -> archive.Backup:
    """The backup that a restore begins with. Raises UserError if the restore cannot begin."""
    if stack.daemon(service).process() is not None:
        raise UserError(f"{service} runs, and would write into the database: `shop stop {service}` first.")
    for part in (POSTGRES, KAFKA, PROCESSOR):
        archive.require_running(stack, part)
    return archive.backup_before(stack, to)


def time_of(text: str, now: datetime) -> datetime:
    """The time that a user has given. Raises UserError for another text, and for a time in the future."""
    moment = _moment(text, now)
    if moment >= now:
        raise UserError(f"{text} is in the future: it is {now.isoformat(timespec='seconds')} now.")
    return moment


def _moment(text: str, now: datetime) -> datetime:
    if found := AGO.fullmatch(text):
        try:
            return now - timedelta(**{UNITS[found[2]]: int(found[1])})
        except OverflowError:
            raise UserError(f"{text} ago was before the year 1: write 10m for ten minutes ago.") from None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(
            f"{text!r} is no time: write 2026-11-29T12:30:00Z, or 10m for ten minutes ago."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def show(outcome: Outcome, console: Console) -> None:
    """Print what a restore has done, and what it could not make whole."""
    console.print(f"The database of {outcome.service} is that of {outcome.to}, after {outcome.seconds} s.")
    for type_, count in sorted(outcome.facts.items()):
        console.print(f"  {count:6} {type_} that it had told and forgotten")
    console.print(f"  {outcome.to_send:6} events that it still sends")
    console.print(f"  {sum(outcome.read_again.values()):6} records that it reads again")
    console.print(f"The database from before is kept as {outcome.former}.")
    if outcome.not_whole:
        console.print(f"{len(outcome.not_whole)} could not be made whole:", style="bold red")
    for finding in outcome.not_whole:
        console.print(f"  {finding.subject}: {finding.what}.", markup=False, soft_wrap=True)
        console.print(f"    {finding.cure}", markup=False, soft_wrap=True)
    console.print("Next: `shop check` judges the whole.")
