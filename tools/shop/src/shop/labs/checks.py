"""The checks that the front matter of a lab can name. Each returns one sentence with what is missing; empty if nothing.

A check looks at what is left after the steps of the page, and not at the keys that were pressed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature

from shop.labs import faulty, shipped
from shop.labs.evidence import Evidence
from shop.labs.parts import started

Check = Callable[..., str]
"""It takes the evidence, and the words behind its name."""
COMMAND = "shop"
"""The first word of a step that is a command."""


def orders(evidence: Evidence, number: str) -> str:
    """Hold that at least so many orders were placed since the start."""
    placed = len(evidence.orders)
    if placed >= int(number):
        return ""
    return f"{placed} orders were placed since the start, and the lab needs {number}: send them as the page says."


def runs(evidence: Evidence, part: str) -> str:
    """Hold that a part runs now."""
    if evidence.parts.get(part):
        return ""
    return f"{_short(part)} does not run: start it again as the page says."


def changed(evidence: Evidence, beginning: str) -> str:
    """Hold that a part whose name begins so is another one than at the start, or is new, or is gone."""
    before = {name: is_ for name, is_ in evidence.start.parts.items() if name.startswith(beginning)}
    now = {name: is_ for name, is_ in evidence.parts.items() if name.startswith(beginning)}
    if before != now:
        return ""
    return f"{_short(beginning)} is as it was at the start: follow the steps under *Do*."


def waited(evidence: Evidence, part: str) -> str:
    """Hold that an order was placed before the present process of a part started, and ended after that."""
    identity = evidence.parts.get(part, "")
    if not identity:
        return runs(evidence, part)
    since = started(identity)
    if any(order.placed < since and (order.ended or 0) > since for order in evidence.orders):
        return ""
    return f"no order waited while {_short(part)} was away: stop it while orders are being placed."


CHECKS: Mapping[str, Check] = {
    check.__name__.replace("_", "-"): check
    for check in (orders, runs, changed, waited, *faulty.CHECKS, *shipped.CHECKS)
}


def count_words(name: str) -> int:
    """The number of words that a check takes behind its name."""
    return len(signature(CHECKS[name]).parameters) - 1


def looks_at_events(steps: Sequence[str]) -> bool:
    """Whether one of the steps of a check looks at events, dead letters or releases."""
    names = {CHECKS[step.split()[0]] for step in steps if step.split()[0] in CHECKS}
    return bool(names & {*shipped.CHECKS, faulty.sent_twice})


def _short(part: str) -> str:
    """A part as a person calls it."""
    kind, _, name = part.partition("/")
    if not name:
        return f"each {kind}"
    return name if kind in ("process", "container") else part
