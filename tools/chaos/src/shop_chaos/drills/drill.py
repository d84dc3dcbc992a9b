"""Starts a drill, answers it, gives hints, and ends it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict

from shop_chaos.drills import looks, marks, record
from shop_chaos.drills.judging import Judgement, Money, State, judge, money_of
from shop_chaos.drills.menu import CAUSES, Hidden, is_in_force
from shop_chaos.drills.record import Drill
from shop_chaos.system import System
from shop_oracle.gather import gather
from shop_oracle.report import judge as judge_evidence
from shop_stack import embedded
from shop_stack.connect import TargetKind, chosen_kind
from shop_stack.errors import UserError
from shop_stack.parts import child_environment
from shop_stack.target import TargetMissing
from shop_stack.target import embedded as target_of

FIRST_ORDERS = 4
"""The fault comes when so many orders were accepted."""
START_SECONDS = 120.0
REST_SECONDS = 90.0
"""The longest time until the shop is at rest after the customers have left."""

Tell = Callable[[str], None]


def running() -> System:
    """The embedded shop that runs. Raises UserError for another target, TargetMissing if it does not run."""
    if chosen_kind() is not TargetKind.EMBEDDED:
        raise UserError("A drill needs the embedded shop: leave out --target.")
    stack = embedded.stack()
    return System(stack, target_of(stack.state))


async def start(hidden: Hidden, seed: int, tell: Tell) -> None:
    """Let customers come, and inject a fault. It is in force when this returns.

    Raises UserError if a drill is on, or if the shop is not whole. What was begun is then undone.
    """
    if record.read() is not None:
        raise UserError(
            "A drill is on already: answer it with `shop drill answer`, or end it with `shop drill stop`."
        )
    on = running()
    for part in await embedded.status(on.stack):
        if not part.ready:
            raise UserError(f"{part.name} is not ready, and a drill needs a whole shop: see `shop status`.")
    await stop()  # a start that was killed may have left its customers
    try:
        await _begin(on, hidden, seed, tell)
    except BaseException:
        await stop()
        raise


async def _begin(on: System, hidden: Hidden, seed: int, tell: Tell) -> None:
    tell("customers come")
    started = time.time()
    argv = [sys.executable, "-m", "shop_chaos.drills.background"]
    record.background().start(argv, env=child_environment())
    await record.background().until_ready(
        _orders_come,
        START_SECONDS,
        ended=lambda: f"The customers could not order: {record.background().tail(3)}",
        late=f"No order was accepted for {START_SECONDS:.0f} s: see `shop status`.",
    )
    tell("the data is measured")
    chosen = hidden.injector
    drill = Drill(
        seed,
        started,
        asdict(hidden),
        await chosen.before(on),
        await marks.measure(on),
        on.stack.processes(),
    )
    record.write(drill)
    tell("the fault comes")
    await chosen.inject(on)
    drill.began = time.time()
    record.write(drill)


async def _orders_come() -> bool:
    return record.read_watched().placed >= FIRST_ORDERS


def require_answer(part: str, cause: str) -> None:
    """Raise UserError if the shop has no such part, or if there is no such cause."""
    embedded.require_known(embedded.stack(), part)
    if cause not in CAUSES:
        raise UserError(f"There is no cause {cause!r}: choose one of {', '.join(CAUSES)}.")


async def answer(part: str, cause: str, tell: Tell) -> Judgement | None:
    """Judge a diagnosis, and the cure if the diagnosis is right. None if it is wrong; the drill then goes on.

    A final judgement ends the drill. Raises UserError if no drill is on, TargetMissing if the shop does not run.
    """
    require_answer(part, cause)
    drill = record.require()
    on = running()
    if (part, cause) != (drill.fault.part, drill.fault.cause):
        drill.wrong_answers += 1
        record.write(drill)
        return None
    drill.diagnosed = drill.diagnosed or time.time()
    record.write(drill)
    judgement = await _judged(drill, on, tell)
    if judgement.is_final:
        await stop()  # a destroyed shop may still have the fault
    return judgement


async def _judged(drill: Drill, on: System, tell: Tell) -> Judgement:
    tell("asking whether the fault is gone")
    in_force = await is_in_force(drill.fault, on)
    now = on.stack.processes()
    away = [part for part, process in now.items() if not process]
    complaint, lost, money = "", [], None
    if not in_force and not away:
        await _leave_time_to_be_seen()
        await _end_background()
        complaint, money = await _oracle(drill, on, tell)
    with suppress(UserError):  # a part that is away is reported as such
        lost = marks.losses(drill.marks, await marks.measure(on))
    watched = record.read_watched()
    state = State(in_force, away, marks.restarted(watched.starts, drill.processes, now), lost, complaint)
    return judge(drill, watched, looks.first_look(), state, money)


async def _oracle(drill: Drill, on: System, tell: Tell) -> tuple[str, Money | None]:
    """Why the nine invariants do not hold at rest (empty if they do), and the orders with their money."""
    try:
        evidence = await gather(on.target, REST_SECONDS, tell)
    except UserError as error:
        return str(error), None
    return judge_evidence(evidence).complaint, money_of(evidence, drill.started)


async def _leave_time_to_be_seen() -> None:
    """Wait until the background has seen the cure. It looks every second."""
    for _ in range(100):
        if record.read_watched().cured or record.background().pid is None:
            return
        await asyncio.sleep(0.1)


async def _end_background() -> None:
    await record.background().stop()


def hint() -> str:
    """The next hint; the last one if there is no other. Raises UserError if no drill is on."""
    drill = record.require()
    drill.hints += 1
    record.write(drill)
    return drill.fault.hints[min(drill.hints, len(drill.fault.hints)) - 1]


async def stop() -> str:
    """End a drill: undo its fault, send the customers away. Returns what the fault was; empty if none was injected."""
    drill = record.read()
    await _end_background()
    if drill is not None:
        with suppress(TargetMissing):  # the fault has ended with its shop
            await drill.fault.injector.heal(running())
    record.forget()
    return "" if drill is None else drill.fault.sentence
