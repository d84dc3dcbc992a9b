"""Writes the state diagram of each service into its README.md, from TRANSITIONS in the service's domain.

Run it in an environment in which the services are installed: `python tools/docs/state_machines.py [--check]`.
With --check it writes nothing: it names the pages that differ, and the exit code is 1 if there are any.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from inventory import domain as inventory
from orders import domain as orders
from payments import domain as payments

ROOT = Path(__file__).resolve().parents[2]
BEGIN = "<!-- state machine: written by `make pictures` from TRANSITIONS -->"
END = "<!-- end of the state machine -->"
START = "[*]"

Arrow = tuple[str, str, str]
"""(state before, label, state after)"""


def of_orders() -> list[Arrow]:
    """The transitions of an order. TRANSITIONS names no causes, so the arrows have no labels."""
    arrows = [
        (before.value, "", after.value)
        for before, following in orders.TRANSITIONS.items()
        for after in orders.OrderState
        if after in following
    ]
    return [(START, "", orders.OrderState.PENDING.value), *arrows]


def of_inventory() -> list[Arrow]:
    """The transitions of a reservation. Its first states are those that no action leads to.

    An action that changes nothing has no arrow.
    """
    arrows = [
        (before.value, act.value, after.value)
        for (before, act), after in inventory.TRANSITIONS.items()
        if before is not after
    ]
    reached = {after for _, _, after in arrows}
    starts = [(START, "", state.value) for state in inventory.State if state.value not in reached]
    return [*starts, *arrows]


def of_payments() -> list[Arrow]:
    """The transitions of a payment. FIRST contains its first states. An event that changes nothing has no arrow."""
    starts = [(START, _words(fact), state.value) for fact, state in payments.FIRST.items()]
    arrows = [
        (before.value, _words(fact), after.value)
        for fact, moves in payments.TRANSITIONS.items()
        for before, after in moves.items()
        if before is not after
    ]
    return [*starts, *arrows]


MACHINES: Mapping[str, Callable[[], list[Arrow]]] = {
    "services/orders/README.md": of_orders,
    "services/inventory/README.md": of_inventory,
    "services/payments/README.md": of_payments,
}
"""Page → the function that returns its transitions."""


def _words(fact: payments.Fact) -> str:
    return fact.value.replace("_", " ").lower()


def diagram(arrows: Iterable[Arrow]) -> str:
    """A state diagram in Mermaid. Several arrows between the same two states become one arrow."""
    labels: dict[tuple[str, str], list[str]] = {}
    for before, label, after in arrows:
        labels.setdefault((before, after), []).extend([label] if label else [])
    lines = [
        f"    {before} --> {after}" + (f": {', '.join(texts)}" if texts else "")
        for (before, after), texts in labels.items()
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", "    direction LR", *lines, "```"])


def with_diagram(page: str, arrows: Iterable[Arrow]) -> str:
    """The text of a page with a new state diagram. Raises ValueError if the page lacks the lines BEGIN and END."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"The page has no lines {BEGIN!r} and {END!r}.")
    return f"{before}{BEGIN}\n\n{diagram(arrows)}\n\n{END}{after}"


def stale() -> dict[Path, str]:
    """Page that does not match the code → the text that it must have."""
    found = {}
    for name, arrows in MACHINES.items():
        path = ROOT / name
        wanted = with_diagram(path.read_text(), arrows())
        if wanted != path.read_text():
            found[path] = wanted
    return found


def main() -> int:
    """Write the pages. With --check only name those that differ. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    pages = stale()
    for path, text in pages.items():
        print(path.relative_to(ROOT))
        if not check:
            path.write_text(text)
    return 1 if check and pages else 0


if __name__ == "__main__":
    sys.exit(main())
