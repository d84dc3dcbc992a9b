"""The command `shop why`: where an order stands, what it waits for, where that lies, and what cures it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from shop.commands.watch import order_id_of
from shop_observe.timeline import shown
from shop_oracle.why import Answer, Finding, Trouble, ask, ask_all
from shop_stack.connect import connect
from shop_stack.errors import UserError

MOST_CHARACTERS = 400


def why(
    order: Annotated[str | None, typer.Argument(help="The order's id.", metavar="ORDER")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All unfinished orders, and the 200 newest ones.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say where an order stands, what it waits for, where that lies, and the command that cures it.

    It looks into the outboxes, the inboxes, the dead letters, the open charges,
    refunds and messages, the locks of the databases, the offsets of the consumer
    groups, and the processes. A part that does not answer is a part of the answer.

    Exit code 1 if a fault holds the order up, else 0. With --all: if a fault holds
    any order up, or if a part does not work.

    Examples:

        shop why 01985f0e-…

        shop why --all                          which faults hold up how many orders

        shop why --all --json | jq '.orders[].findings'"""
    if (order is None) is not everything:
        raise typer.BadParameter("Name one order, or give --all: `shop order` prints the id of an order.")
    with connect() as target:
        if order is None:
            _tell_all(*asyncio.run(ask_all(target)), as_json)
        else:
            _tell_one(asyncio.run(ask(target, order_id_of(order))), order, as_json)


def _tell_one(answer: Answer, order: str, as_json: bool) -> None:
    if not answer.is_known:
        raise UserError(f"There is no order {order}: `shop order` places one and prints its id.")
    if as_json:
        typer.echo(json.dumps(answer.as_json(), indent=2, default=str))
    else:
        print_one(answer, Console(highlight=False))
    raise typer.Exit(int(answer.is_held_up))


def _tell_all(answers: Sequence[Answer], parts: Sequence[Trouble], as_json: bool) -> None:
    if as_json:
        told = {
            "orders": [answer.as_json() for answer in answers],
            "parts": [{"part": each.part, "cause": each.what, "cure": each.cure} for each in parts],
        }
        typer.echo(json.dumps(told, indent=2, default=str))
    else:
        print_all(answers, parts, Console(highlight=False))
    raise typer.Exit(int(bool(parts) or any(answer.is_held_up for answer in answers)))


def print_one(answer: Answer, console: Console) -> None:
    """Print the answer for one order: its state, and each finding with its causes and cures."""
    console.print(Text(state_of(answer, datetime.now(UTC))), soft_wrap=True)
    for number, finding in enumerate(answer.findings, 1):
        console.print(Text(f"{number}. {shown(finding.where, MOST_CHARACTERS)}"), soft_wrap=True)
        print_causes(finding, console)
    if not answer.findings and answer.missing:
        step = answer.missing[0]
        console.print(
            f"No fault is seen: {step.service} is at work. If it stays so: `shop logs {step.service}`",
            soft_wrap=True,
        )


def print_causes(finding: Finding, console: Console) -> None:
    """Print the causes of a finding, each with its cure."""
    if not finding.causes:
        console.print("   No fault is seen: it is on its way.", style="dim", soft_wrap=True)
    for cause in finding.causes:
        _print_cause(cause, console)


def _print_cause(cause: Trouble, console: Console) -> None:
    console.print(Text(f"   Cause: {shown(cause.what, MOST_CHARACTERS)}", style="yellow"), soft_wrap=True)
    console.print(Text(f"   Cure:  {cure_of(cause)}", style="green"), soft_wrap=True)


def print_all(answers: Sequence[Answer], parts: Sequence[Trouble], console: Console) -> None:
    """Print each cause once, with the number of orders that it holds up and one of them, or that no order is seen."""
    held: dict[Trouble, list[str]] = {}
    for answer in answers:
        for trouble in answer.troubles:
            held.setdefault(trouble, []).append(answer.order_id)
    for trouble in dict.fromkeys(parts):
        if trouble not in held:
            console.print("No order that can be seen:", soft_wrap=True)
            _print_cause(trouble, console)
    for trouble, orders in sorted(held.items(), key=lambda item: -len(item[1])):
        console.print(Text(f"{counted(len(orders))}, such as {orders[0]}:"), soft_wrap=True)
        _print_cause(trouble, console)
    at_work = sum(not answer.is_done and not answer.is_held_up for answer in answers)
    done = sum(answer.is_done for answer in answers)
    console.print(
        f"{counted(len(answers))} seen: {done} done, {at_work} under way, {len(answers) - done - at_work} held up."
    )


def counted(orders: int) -> str:
    """A number of orders, in words."""
    return "1 order" if orders == 1 else f"{orders} orders"


def cure_of(trouble: Trouble) -> str:
    """A command in backticks, or the page to read."""
    return f"see {trouble.cure}" if trouble.cure.startswith("docs/") else f"`{trouble.cure}`"


def state_of(answer: Answer, now: datetime) -> str:
    """One line: the state of the order, its deadline, and the step that it waits for."""
    order = answer.order
    if order is None:
        return f"{answer.order_id}: orders does not have it, or cannot be asked."
    parts = [f"{order.id} is {order.state}{f' ({order.reason})' if order.reason else ''}"]
    if order.state == "PENDING":
        parts.append(f"for {(now - order.placed_at).total_seconds():.0f} s")
        left = (order.deadline_at - now).total_seconds()
        parts.append(f"and its deadline is {'in' if left > 0 else 'past since'} {abs(left):.0f} s")
    sentence = " ".join(parts) + "."
    if answer.is_done:
        return f"{sentence} Every step has happened, and every reader has handled every event."
    if answer.missing:
        step = answer.missing[0]
        sentence += f" It waits for {step.event} of {step.service}."
    return sentence
