"""Writes the diagrams and the table of the orchestrated saga into its page, from its definition.

Run it in an environment in which the services are installed: `python tools/docs/saga_page.py [--check]`.
With --check it writes nothing: it names the page if it differs, and the exit code is 1 then.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from inventory.commands import COMMANDS as INVENTORY
from notifications.commands import COMMANDS as NOTIFICATIONS
from orders.orchestrator.definition import PLACE_ORDER, Call, Definition, Ending, Reply, Step
from payments.commands import COMMANDS as PAYMENTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "sagas" / "place-order-orchestrated.md"
BEGIN = "<!-- saga: written by `make pictures` from services/orders/src/orders/orchestrator/definition.py -->"
END = "<!-- end of the saga -->"
LETTERS = {"inventory": "I", "payments": "P", "notifications": "N"}
SUBSCRIPTIONS = {"inventory": INVENTORY, "payments": PAYMENTS, "notifications": NOTIFICATIONS}


def short(model: Any) -> str:
    """The name of an event or command without its service and version."""
    return str(model.event_type.split(".")[1])


def happy_and_failed(saga: Definition) -> str:
    """The sequence of an order that is not cancelled. Each step can succeed or fail."""
    lines = [
        "sequenceDiagram",
        "    actor C as customer",
        "    participant O as orders",
        *(f"    participant {letter} as {name}" for name, letter in LETTERS.items()),
        "    C->>O: POST /orders (202, PENDING)",
        f"    Note over O: {short(saga.starts)}",
    ]
    return "\n".join([*lines, *_step(saga, 0, "    ")])


def cancelled(saga: Definition) -> str:
    """The sequence of an order that is cancelled after its last step was sent: every step is undone."""
    ending = next(ending for ending in saga.endings if short(ending.event) == "order-cancelled")
    lines = [
        "sequenceDiagram",
        "    participant O as orders",
        *(f"    participant {letter} as {name}" for name, letter in LETTERS.items()),
    ]
    return "\n".join([*lines, *_ending(saga, ending, len(saga.steps), "    ")])


def _step(saga: Definition, number: int, indent: str) -> Iterator[str]:
    if number == len(saga.steps):
        return
    step = saga.steps[number]
    letter = LETTERS[step.call.participant]
    yield f"{indent}O-){letter}: {short(step.call.command)}"
    yield f"{indent}alt {short(step.call.done.event)}"
    yield from _reply(saga, step.call.done, letter, number + 1, indent + "    ")
    yield from _step(saga, number + 1, indent + "    ")
    yield f"{indent}else {short(step.failed.event)}"
    yield from _reply(saga, step.failed, letter, number, indent + "    ")
    yield f"{indent}end"


def _reply(saga: Definition, reply: Reply, letter: str, carried_out: int, indent: str) -> Iterator[str]:
    yield f"{indent}{letter}--)O: {short(reply.event)}"
    for ending in saga.endings:
        if ending.event is reply.ends:
            yield from _ending(saga, ending, carried_out, indent)


def _ending(saga: Definition, ending: Ending, carried_out: int, indent: str) -> Iterator[str]:
    yield f"{indent}Note over O: {short(ending.event)}"
    undone = [step.compensation for step in reversed(saga.steps[:carried_out])] if ending.compensates else []
    for call in (*undone, *ending.then):
        letter = LETTERS[call.participant]
        yield f"{indent}O-){letter}: {short(call.command)}"
        yield f"{indent}{letter}--)O: {short(call.done.event)}"


def table(saga: Definition) -> str:
    """One row per command."""
    head = [
        "| | Command | Use case | Answer | Undone by | Sent again after |",
        "|---|---|---|---|---|---|",
    ]
    rows = [_row(f"step {n}", step.call, step) for n, step in enumerate(saga.steps, 1)]
    rows += [_row("compensation", step.compensation) for step in reversed(saga.steps)]
    rows += [_row(f"after {short(e.event)}", call) for e in saga.endings for call in e.then]
    event, call = saga.refunded
    rows.append(_row(f"after {short(event)}", call))
    return "\n".join([*head, *rows])


def _row(when: str, call: Call, step: Step | None = None) -> str:
    answers: Sequence[Reply] = [call.done, *([step.failed] if step else [])]
    cells = [
        when,
        f"`{call.command.event_type}`",
        f"`{use_case(call)}`",
        " or ".join(f"`{reply.event.event_type}`" + _own(reply) for reply in answers),
        f"`{short(step.compensation.command)}`" if step else "–",
        f"{call.timeout:.0f} s",
    ]
    return f"| {' | '.join(cells)} |"


def _own(reply: Reply) -> str:
    return "" if reply.use_case is None else f" (orders: `{path_of(reply.use_case)}`)"


def use_case(call: Call) -> str:
    """`path::function` of the use case that a participant runs."""
    return path_of(SUBSCRIPTIONS[call.participant].by_type[call.command.event_type].handler)


def path_of(function: Any) -> str:
    """`path::function` of a function of a service. A handler that answers has the name of its use case."""
    module = str(function.__module__)
    return f"services/{module.partition('.')[0]}/src/{module.replace('.', '/')}.py::{function.__name__}"


def written(saga: Definition = PLACE_ORDER) -> str:
    """The part of the page between BEGIN and END."""
    diagrams = [f"```mermaid\n{diagram}\n```" for diagram in (happy_and_failed(saga), cancelled(saga))]
    between = "An order that is cancelled after the last step was sent:"
    return "\n\n".join([diagrams[0], between, diagrams[1], table(saga)])


def with_saga(page: str, saga: Definition = PLACE_ORDER) -> str:
    """The text of the page with the saga anew. Raises ValueError if it lacks the lines BEGIN and END."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"The page has no lines {BEGIN!r} and {END!r}.")
    return f"{before}{BEGIN}\n\n{written(saga)}\n\n{END}{after}"


def main() -> int:
    """Write the page. With --check only name it if it differs. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    wanted = with_saga(PAGE.read_text())
    if wanted == PAGE.read_text():
        return 0
    print(PAGE.relative_to(ROOT))
    if check:
        return 1
    PAGE.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
