"""Moves one module out of a monolith, or back, and finishes or undoes a move that was interrupted."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from shop_stack import embedded, stack_files
from shop_stack.emancipation import journal, plan, processes, steps
from shop_stack.emancipation.journal import Journal
from shop_stack.emancipation.plan import LONGEST_WAIT, as_shape
from shop_stack.emancipation.steps import Move, Step, Verify
from shop_stack.errors import UserError, first_of
from shop_stack.shapes import Shape
from shop_stack.stack import ISSUER, KAFKA, POSTGRES, PROCESSOR, SPANS, Stack
from shop_stack.target import Target

POINT_OF_NO_RETURN = "switch"
"""After this step the new processes may have answered requests. So the move is finished, and then undone by another."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command has done."""

    module: str
    shape: Shape
    """The shape that the shop has now."""
    seconds: float
    waited: float | None = 0.0
    """Seconds for which no process accepted requests; 0 if there was no such time, None if it is not known."""
    sent: int = 0
    """Events that were sent to Kafka in the place of relays."""
    copied: int = 0
    """Rows that were copied."""
    is_resumed: bool = False
    """Whether an interrupted move was finished."""
    is_undone: bool = False
    """Whether an interrupted move was undone."""


async def trusting(target: Target) -> list[str]:
    """A `Verify` that finds nothing."""
    return []


async def emancipate(
    stack: Stack,
    module: str,
    *,
    back: bool = False,
    longest_wait: float = LONGEST_WAIT,
    report: embedded.Report = embedded.silent,
    verify: Verify = trusting,
) -> Outcome:
    """Give a module of the running monolith a process and a database of its own; with `back` put it back.

    A move that was interrupted is finished. One in the other direction is undone; if that is not possible any more, it
    is finished first. If a step fails, everything becomes as before, unless the new processes have got the sockets.

    Raises UserError with the reason and what to do.
    """
    began = time.monotonic()
    with stack_files.alone(stack):
        kept = journal.read(stack.state)
        if kept is not None:
            outcome = await _interrupted(stack, kept, module, back, report, verify)
            if outcome is not None:
                return outcome
            stack = embedded.stack(stack.state)
        after = plan.wanted(stack, module, back)
        await plan.require_able(stack, module, longest_wait)
        move = _move(stack, Journal(module, stack.shape, after), report, verify)
        move.save()
        return await _finish(move, began)


async def _interrupted(
    stack: Stack, kept: Journal, module: str, back: bool, report: embedded.Report, verify: Verify
) -> Outcome | None:
    """Finish or undo an interrupted move. Returns the outcome if this is what was asked for."""
    began = time.monotonic()
    plan.apart(module, kept.before)
    if kept.module != module:
        journal.require_none(stack.state)
    move = _move(stack, kept, report, verify)
    await _start_servers(move)
    is_wanted = kept.is_back == back
    can_be_undone = POINT_OF_NO_RETURN not in kept.done
    if kept.is_undone or (not is_wanted and can_be_undone):
        await _undo(move)
        return None if is_wanted else Outcome(module, kept.before, time.monotonic() - began, is_undone=True)
    outcome = await _finish(move, began, is_resumed=True)
    return outcome if is_wanted else None


def _move(stack: Stack, kept: Journal, report: embedded.Report, verify: Verify) -> Move:
    return Move(as_shape(stack, kept.before), as_shape(stack, kept.after), kept, report, verify)


async def _start_servers(move: Move) -> None:
    """Start what the steps need, and what a crash has ended: also the processes from before, if they should run."""
    for name in (POSTGRES, SPANS, PROCESSOR, ISSUER, KAFKA):
        await embedded.start(move.apart, name)
    stack_files.write_facts(move.after if POINT_OF_NO_RETURN in move.journal.done else move.before)
    if "stop" in move.journal.done or move.journal.frozen_at:
        return
    # They run all the time until the step `stop`. What waits beside them is started again by the step `hold`.
    await processes.kill(move.after)
    await processes.release(move.before)
    move.journal.done = [name for name in move.journal.done if name != "hold"]
    await processes.open_all(move.before)


async def _finish(move: Move, began: float, *, is_resumed: bool = False) -> Outcome:
    """Do the steps that are not done. Raises UserError after it has undone all, if this is possible."""
    kept = move.journal
    try:
        for name, step in _steps(kept).items():
            if name not in kept.done:
                await step(move)
                kept.done.append(name)
                move.save()
    except BaseException as error:
        reason = first_of(error) if isinstance(error, BaseExceptionGroup) else error
        is_done = POINT_OF_NO_RETURN in kept.done
        await (move.close() if is_done else _undo(move))
        if isinstance(reason, UserError):
            rest = f"`{kept.command}` goes on." if is_done else "Everything is as it was before."
            raise UserError(f"{reason} {rest}") from None
        raise reason from None
    await move.close()
    journal.forget(move.before.state)
    seconds = time.monotonic() - began
    return Outcome(kept.module, kept.after, seconds, kept.waited, kept.sent, kept.copied, is_resumed)


def _steps(kept: Journal) -> Mapping[str, Step]:
    return steps.BACK if kept.is_back else steps.OUT


async def _undo(move: Move) -> None:
    move.journal.is_undone = True
    move.save()
    await steps.undo(move)
    journal.forget(move.before.state)
