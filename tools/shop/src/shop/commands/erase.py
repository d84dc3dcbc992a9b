"""The command `shop erase`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shop_oracle.search.everywhere import Findings, search
from shop_oracle.search.wanted import Wanted
from shop_stack.connect import connect
from shop_stack.directory import PSEUDONYM, Customer, CustomersDirectory
from shop_stack.errors import UserError
from shop_stack.target import Issuer

NOT_SEARCHED = 3
"""The exit code where no hit is known, and something was not searched: places, or the address."""
ALSO = "also"


def erase(
    customer: Annotated[str, typer.Argument(help="The login name of a customer, or the pseudonym.")],
    also: Annotated[
        list[str] | None, typer.Option(help="One more text to search for; repeat it for more.")
    ] = None,
    backup: Annotated[
        list[Path] | None, typer.Option(help="A file or a folder to search, too; repeat it for more.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Erase a customer: delete the entry in the directory, then search for name and address.

    It searches every topic, every table of every database, the spans, the logs,
    the write-ahead log, and the files of the servers. Orders and payments stay,
    under a pseudonym that no entry explains.

    Exit code 0 if there is no hit, 1 if there is one, 3 if there is none and
    something was not searched: logs of a cluster, or an address that is not known.
    Run it again at any time: without an entry, it searches only, so give the
    address with --also.

    Examples:

        shop erase c-ada

        shop erase c-ada --backup /backups/2026-11-28 --json | jq .places

        shop erase c-ada --also c-ada@customers.example      after the entry is gone"""
    require_texts((customer, *(also or ())))
    with connect() as target, Console(stderr=True).status("erasing") as status:
        found = erase_entry(target.issuer, customer)
        wanted = wanted_of(customer, found, also or ())
        findings = asyncio.run(search(target, wanted, backup or (), lambda step: status.update(step)))
    erased = found.pseudonym if found else None
    if as_json:
        typer.echo(json.dumps({"erased": erased, **findings.as_json()}, indent=2))
    else:
        show(erased, wanted, findings, Console(highlight=False))
    end(findings, knows_address=found is not None or bool(also), customer=customer)


def require_texts(texts: Sequence[str]) -> None:
    """Raise UserError if a text to search for is empty."""
    if not all(text.strip() for text in texts):
        raise UserError(
            "An empty text is found everywhere: give the login name or the pseudonym of a customer."
        )


def erase_entry(issuer: Issuer, customer: str) -> Customer | None:
    """Delete the entry of a customer in the directory. Returns what it was; None if there is none."""
    with CustomersDirectory(issuer) as directory:
        found = directory.find(customer)
        if found is not None:
            directory.erase(found.pseudonym)
        return found


def end(findings: Findings, *, knows_address: bool, customer: str) -> None:
    """End the command with the exit code of its findings. A hit is a UserError that names the places."""
    if findings.with_hits:
        names = ", ".join(place.name for place in findings.with_hits)
        raise UserError(f"There are hits in: {names}. Remove them, then run the command again.")
    if not knows_address:
        typer.echo(
            f"The directory has no entry of {customer}, so its address was not searched for: correct the name, "
            "or give the address with --also.",
            err=True,
        )
    raise typer.Exit(NOT_SEARCHED if findings.not_searched or not knows_address else 0)


def wanted_of(customer: str, entry: Customer | None, also: Sequence[str]) -> list[Wanted]:
    """What to search for: name and addresses of the entry, or the given name, and further texts.

    Raises UserError if nothing is known.
    """
    wanted = [Wanted(f"{ALSO} {number}", text) for number, text in enumerate(also, 1)]
    if entry is not None:
        addresses = [
            Wanted("address" if number == 1 else f"address {number}", address)
            for number, address in enumerate(entry.addresses, 1)
        ]
        return [Wanted("name", entry.login), *addresses, *wanted]
    if not customer.startswith(PSEUDONYM):
        return [Wanted("name", customer), *wanted]
    if not wanted:
        raise UserError(
            f"The directory has no entry {customer}, so its name is not known: "
            "give the texts to search for with --also."
        )
    return wanted


def show(erased: str | None, wanted: Sequence[Wanted], findings: Findings, console: Console) -> None:
    """Print a line per place, with its hits, and what was not searched."""
    done = f"The entry {erased} is deleted." if erased else "The directory has no entry. Only searched."
    console.print(done, markup=False)
    table = Table(box=None, pad_edge=False)
    table.add_column("place", overflow="fold")
    for column in ("searched", *(each.label for each in wanted)):
        table.add_column(column, justify="right")
    for place in findings.places:
        hits = [str(place.hits[each.label]) for each in wanted]
        style = None if place.is_clean else "bold red"
        table.add_row(place.name, f"{place.searched:,} {place.unit}", *hits, style=style)
    console.print(table)
    for place in findings.with_hits:
        console.print(f"{place.name}: {', '.join(place.where)}", markup=False, soft_wrap=True)
    for name, where in findings.not_searched.items():
        console.print(f"{name}: not searched: {where}", markup=False, soft_wrap=True)
