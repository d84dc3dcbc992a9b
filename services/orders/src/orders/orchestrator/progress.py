"""The rules of the saga: how the progress of an order changes with a message. No input or output.

The progress is a queue of commands. The first one was sent and is not answered. When its answer comes, it is taken from
the queue, and the next one is sent. Before the end of the order the queue has the steps that remain. The end replaces
the queue: by the compensations in reverse order, and by what follows the end.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from uuid import UUID

from pydantic import BaseModel

from orders.orchestrator.commands import Command, command_of
from orders.orchestrator.definition import LONGEST_TIMES, PLACE_ORDER, Definition, Ending


@dataclass(frozen=True, slots=True)
class Progress:
    """The commands of an order that were carried out, and those that are still to be.

    `done` are the types of the steps' commands that have succeeded. `ending` is the type of the event that ended the
    order. `sent` says how often the first command of `queue` was sent; 0 means that it is to be sent now.
    `traceparent` is the span that the next command continues, if nothing else causes it.
    """

    order_id: UUID
    done: tuple[str, ...] = ()
    queue: tuple[Command, ...] = ()
    ending: str | None = None
    sent: int = 0
    traceparent: str | None = None

    @property
    def awaited(self) -> str | None:
        """The type of the command that is not answered yet."""
        return self.queue[0].type if self.queue else None


def begun(placed: BaseModel, order_id: UUID, saga: Definition = PLACE_ORDER) -> Progress:
    """The progress of an order that was placed: all steps are to be done."""
    return Progress(order_id, queue=tuple(command_of(step.call.command, placed) for step in saga.steps))


def answered(
    progress: Progress, event_type: str, command: str | None, saga: Definition = PLACE_ORDER
) -> Progress | None:
    """The progress after an answer; None if no such answer is awaited: it came twice, or after the order had ended.

    `command` is the type of the command that the answer names, if it names one.
    """
    awaited = progress.awaited
    if awaited is None or command not in (None, awaited):
        return None
    step = saga.step_of(awaited)
    if step is not None and event_type == step.failed.event.event_type:
        return replace(progress, queue=(), sent=0)
    if event_type != saga.call_of(awaited).done.event.event_type:
        return None
    done = progress.done if step is None else (*progress.done, awaited)
    return replace(progress, done=done, queue=progress.queue[1:], sent=0)


def ended(
    progress: Progress | None,
    ending: Ending,
    event: BaseModel,
    order_id: UUID,
    saga: Definition = PLACE_ORDER,
) -> Progress | None:
    """The progress after the event that ended the order; None if it had ended already.

    `progress` is None for an order without a row: what was done for it is not known, so every step is undone.
    """
    if progress is not None and progress.ending is not None:
        return None
    undone = _to_undo(progress, saga) if ending.compensates else ()
    calls = [step.compensation for step in reversed(saga.steps) if step.call.command.event_type in undone]
    queue = tuple(command_of(call.command, event) for call in (*calls, *ending.then))
    return replace(progress or Progress(order_id), queue=queue, ending=ending.event.event_type, sent=0)


def refunded(
    progress: Progress | None, event: BaseModel, order_id: UUID, saga: Definition = PLACE_ORDER
) -> Progress:
    """The progress after a refund: the customer is to be told, after the commands that are still in the queue."""
    before = progress or Progress(order_id)
    _, call = saga.refunded
    return replace(before, queue=(*before.queue, command_of(call.command, event)))


def seconds_until_repeat(progress: Progress, saga: Definition = PLACE_ORDER) -> float | None:
    """Seconds after which the first command is sent again; None if there is none. The pause doubles."""
    if progress.awaited is None:
        return None
    times: int = min(2 ** max(progress.sent - 1, 0), LONGEST_TIMES)
    return saga.call_of(progress.awaited).timeout * times


def _to_undo(progress: Progress | None, saga: Definition) -> Collection[str]:
    """The steps to undo: those that have succeeded, and the one whose answer has not come."""
    if progress is None:
        return {step.call.command.event_type for step in saga.steps}
    return {*progress.done, progress.awaited or ""}
