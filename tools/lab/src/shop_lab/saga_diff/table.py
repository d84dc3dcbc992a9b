"""Prints two sagas side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest

from rich import box
from rich.console import Console
from rich.table import Table

from shop_lab.saga_diff.reading import Saga, Times

NOTHING = "–"


def print_sagas(sagas: Mapping[str, Saga], console: Console) -> None:
    """Three tables: the messages of one order, the figures, and which service knows what."""
    console.print(_messages(sagas))
    for title, rows in (("", _figures(sagas)), ("Reads, of each service", _reads(sagas))):
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
        for heading in ("", *sagas):
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*row)
        console.print(table)


def _messages(sagas: Mapping[str, Saga]) -> Table:
    table = Table(title="One order, message by message", title_justify="left", box=box.SIMPLE_HEAD)
    for saga in sagas:
        table.add_column("after", justify="right", style="dim", no_wrap=True)
        table.add_column(saga, overflow="fold")
    for row in zip_longest(*(saga.messages for saga in sagas.values())):
        cells: list[str] = []
        for told in row:
            cells += ["", ""] if told is None else [f"+{told['after_ms']:.0f} ms", _line(told)]
        table.add_row(*cells)
    return table


def _line(told: Mapping[str, object]) -> str:
    arrow = "→ " if told["kind"] == "command" else ""
    return f"{told['service']}: {arrow}{told['message']}"


def _figures(sagas: Mapping[str, Saga]) -> Iterator[tuple[str, ...]]:
    found = sagas.values()
    yield "messages", *(str(len(saga.messages)) for saga in found)
    yield "hops to the confirmation", *(str(saga.hops) for saga in found)
    yield "placed → confirmed, ms", *(_times(saga.confirmed_ms) for saga in found)
    yield "placed → last message, ms", *(_times(saga.last_ms) for saga in found)
    for change in next(iter(found)).changes:
        yield f"to change {change}", *(", ".join(saga.changes[change]) or NOTHING for saga in found)


def _times(found: Times) -> str:
    return f"{found.median:.0f} ({found.lowest:.0f} to {found.highest:.0f})"


def _reads(sagas: Mapping[str, Saga]) -> Iterator[tuple[str, ...]]:
    services = dict.fromkeys(service for saga in sagas.values() for service in saga.reads)
    for service in services:
        cells = []
        for saga in sagas.values():
            owners = saga.reads.get(service, {})
            cells.append("\n".join(f"{owner}: {', '.join(types)}" for owner, types in owners.items()))
        yield service, *(cell or NOTHING for cell in cells)
