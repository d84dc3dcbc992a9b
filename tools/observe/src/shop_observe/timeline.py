"""The events of an order in the order of time, each with its service and its cause, out of the Kafka log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import iso4217
from rich import box
from rich.table import Table
from rich.text import Text

from shop_observe.colours import COLOURS
from shop_observe.kafka_log import Entry

ENDINGS = {
    "orders.order-confirmed.v1": "CONFIRMED",
    "orders.order-rejected.v1": "REJECTED",
    "orders.order-cancelled.v1": "CANCELLED",
}
"""Event type → the terminal state of the order."""

MOST_SHOWN = 300
"""The most characters of a foreign text that are shown."""

MINOR_UNITS = {currency.code: currency.exponent or 0 for currency in iso4217.Currency}
"""Currency → the number of decimal digits of its minor unit."""
COMPENSATIONS = frozenset({"inventory.stock-released", "payments.payment-refunded"})
"""Events that compensate an earlier step, without their versions: a service may publish two versions of one event."""


@dataclass(frozen=True, slots=True)
class Step:
    """One event of an order."""

    entry: Entry
    offset_ms: float
    """Milliseconds since the order was placed."""
    cause: str
    """The event that caused this one, in words."""

    @property
    def service(self) -> str:
        return shown(self.entry.source.removeprefix("/"))

    @property
    def event(self) -> str:
        """The event's name without its service and version: ``order-placed``."""
        return short(self.entry.type)


def steps_of(entries: Iterable[Entry], order_id: str) -> list[Step]:
    """The order's events in the order of time, each once."""
    own = sorted((e for e in entries if e.key == order_id and e.id), key=lambda entry: not entry.fault)
    # Events come last in `own`: an event takes precedence over a foreign record with the same id.
    events = {entry.id: entry for entry in own}
    return tell(sorted(events.values(), key=lambda entry: entry.moment), events)


def tell(entries: Iterable[Entry], known: Mapping[str, Entry], begin: datetime | None = None) -> list[Step]:
    """Steps for sorted entries. `known` are the events that may be their causes, by id."""
    steps: list[Step] = []
    for entry in entries:
        begin = begin or entry.moment
        offset = (entry.moment - begin).total_seconds() * 1000
        steps.append(Step(entry, offset, cause_of(entry, known)))
    return steps


def cause_of(entry: Entry, known: Mapping[str, Entry]) -> str:
    if cause := known.get(entry.causation_id):
        return short(cause.type)
    if entry.data.get("reason") == "deadline":
        return "the deadline"
    return "a request" if not entry.causation_id else f"event {shown(entry.causation_id)}"


def short(type_: str) -> str:
    return shown(type_.split(".")[1] if type_.count(".") == 2 else type_ or "?")


def shown(foreign: str, most: int = MOST_SHOWN) -> str:
    """A text of a record for a terminal: shortened, and without control characters."""
    cut = foreign[:most]
    if cut.isprintable():  # nearly every text: this takes a hundredth of the time
        return cut
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in cut)


def detail_of(entry: Entry) -> str:
    """The data of an event that a reader needs, in a few words."""
    if entry.fault:
        return f"foreign record {entry.place}: {shown(entry.fault)}"
    try:
        return shown(words_of(entry.data))
    except (AttributeError, KeyError, TypeError):
        return "data of another shape"


def words_of(data: Mapping[str, Any]) -> str:
    """The data in words. Raises AttributeError, KeyError or TypeError if it breaks the contract."""
    parts: list[str] = []
    if lines := data.get("lines"):
        parts.append(", ".join(f"{line['quantity']} x {line['sku']}" for line in lines))
    if shortages := data.get("shortages"):
        parts.append(", ".join(f"{s['requested']} x {s['sku']}, {s['available']} left" for s in shortages))
    parts += [money(data[field]) for field in ("total", "amount", "refunded") if field in data]
    parts += [str(data[field]) for field in ("reason", "kind", "channel", "command") if field in data]
    return " · ".join(parts)


def money(amount: Mapping[str, Any]) -> str:
    """An amount with the decimals of its currency (ISO 4217). An unknown currency is shown in minor units."""
    digits = MINOR_UNITS.get(amount["currency"], 0)
    whole, minor = divmod(amount["amount_minor"], 10**digits)
    return f"{whole:,}{f'.{minor:0{digits}d}' if digits else ''} {amount['currency']}"


def is_compensated(steps: Iterable[Step]) -> bool:
    """Whether both the stock and the money of the order were returned."""
    return {_unversioned(step.entry.type) for step in steps if not step.entry.fault} >= COMPENSATIONS


def _unversioned(type_: str) -> str:
    return type_.rpartition(".")[0]


def has_ended(entries: Iterable[Entry]) -> bool:
    return any(entry.type in ENDINGS for entry in entries if not entry.fault)


def event_text(step: Step) -> Text:
    ending, given_back = step.entry.type in ENDINGS, _unversioned(step.entry.type) in COMPENSATIONS
    return Text(step.event, style="bold" if ending else "red" if given_back else "")


def timeline_table(steps: Iterable[Step], title: str) -> Table:
    """The steps of an order as a table."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("after", justify="right", style="dim", no_wrap=True)
    table.add_column("who", no_wrap=True)
    table.add_column("what happened", no_wrap=True)
    table.add_column("because of", style="dim", no_wrap=True)
    table.add_column("with", overflow="fold")
    for step in steps:
        table.add_row(
            f"+{step.offset_ms:,.0f} ms",
            Text(step.service, style=COLOURS.get(step.service, "")),
            event_text(step),
            Text(step.cause),
            Text(detail_of(step.entry)),
        )
    return table


def timeline_line(step: Step) -> Text:
    """One step as a line, for an order that is still in progress."""
    text = Text(f"{step.offset_ms:>+9,.0f} ms  ", style="dim")
    text.append(f"{step.service:<14}", style=COLOURS.get(step.service, ""))
    text.append_text(event_text(step))
    text.append(f"  because of {step.cause}", style="dim")
    if detail := detail_of(step.entry):
        text.append(f"  {detail}")
    return text
