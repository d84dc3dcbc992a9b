"""Which move is asked for, and which are refused: one sentence with the cure each."""

from __future__ import annotations

import shutil
from dataclasses import replace

from shop_stack import hands, shapes
from shop_stack.checks import LEAST_FREE
from shop_stack.emancipation import databases, marks
from shop_stack.errors import UserError
from shop_stack.hands import Act
from shop_stack.parts import is_ready
from shop_stack.ports import SERVICES
from shop_stack.shapes import MONOLITH, OF_THE_SAGA, Shape
from shop_stack.stack import POSTGRES, Stack

FIRST_GROUPS = 2
"""The groups of a shop of which one module was taken out."""
FIRST_SECONDS = 3.0
"""Seconds for which requests wait if there are no rows to copy: stop, offsets, start."""
BYTES_PER_SECOND = 8 * 1024**2
"""The speed of copying and comparing a module's tables, with their indexes: measured on two busy cores."""
LONGEST_WAIT = 30.0
COPIES = 3
"""Free space that a move needs, in sizes of the module: the copy, the write-ahead log, and the events in Kafka."""


def apart(module: str, kept: Shape) -> Shape:
    """The shape in which this module has a process of its own, and all others share one. The saga is that of `kept`.

    Raises UserError.
    """
    if module not in SERVICES:
        raise UserError(f"There is no module {module!r}: choose one of {', '.join(SERVICES)}.")
    if kept.is_single and module in OF_THE_SAGA:
        raise UserError(
            f"{module} is a part of the saga, which is one transaction here, and a transaction has one database: take "
            "another module out, or start a monolith without `--tx single` in another folder (SHOP_STATE)."
        )
    groups = f"{'+'.join(name for name in SERVICES if name != module)} | {module}"
    return Shape.parse(groups, kept.saga, kept.tx)


def wanted(stack: Stack, module: str, back: bool) -> Shape:
    """The shape to which a move of this module goes. Raises UserError if it does not begin at the shape of the data."""
    alone = apart(module, stack.shape)
    whole = Shape.parse(MONOLITH, stack.shape.saga, stack.shape.tx)
    kept = shapes.stored(stack.state)
    if kept is None:
        raise UserError(f"There is no shop in {stack.state}: `shop up --as monolith` starts one.")
    first, last = (alone, whole) if back else (whole, alone)
    if kept == first:
        return last
    if kept == last:
        raise UserError(
            f"{module} is in the monolith already: `shop emancipate {module}` takes it out."
            if back
            else f"{module} has a process of its own already: `shop emancipate {module} --back` puts it back."
        )
    for other in SERVICES:
        if (other,) in kept.groups and len(kept.groups) == FIRST_GROUPS:
            raise UserError(
                f"One module at a time is taken out of a monolith, and {other} is out: "
                f"`shop emancipate {other} --back` puts it back."
            )
    raise UserError(
        f"Only a module of a monolith is taken out, and the data in {stack.state} is that of {kept}: start a monolith "
        "beside it with `SHOP_STATE=/tmp/monolith SHOP_PORT_BASE=28000 shop up --as monolith`, and give both variables "
        "to this command, too."
    )


async def require_able(stack: Stack, module: str, longest_wait: float) -> None:
    """Raise UserError if the running shop cannot lose or get this module now. Nothing is changed."""
    for part in (POSTGRES, *stack.broker_names, *stack.units):
        await _require_running(stack, part)
    if stack.brokers > 1:
        raise UserError("A module is moved with one broker of Kafka: start a monolith without `--brokers`.")
    await marks.require_none_set_aside(stack)
    size = await databases.size_of(stack.server, databases.place_of(stack.shape, module))
    require_disk(stack, module, size)
    require_short_wait(module, size, longest_wait)


async def _require_running(stack: Stack, part: str) -> None:
    act = hands.act_on(stack, part)
    if act in (Act.FROZEN, Act.SLOW):
        raise UserError(f"{part} is {act}: `shop resume {part}` lets it run again, then try again.")
    if stack.daemon(part).process() is None:
        raise UserError(f"{part} does not run: `shop up` starts what is missing, then try again.")
    if not await is_ready(stack, part):
        raise UserError(f"{part} is not ready: `shop status` says why. Wait until it is, then try again.")


def require_short_wait(module: str, size: int, longest_wait: float) -> None:
    """Raise UserError if requests would wait for too long. `size` is in bytes, `longest_wait` in seconds."""
    seconds = FIRST_SECONDS + size / BYTES_PER_SECOND
    if seconds > longest_wait:
        raise UserError(
            f"The tables of {module} have {size / 1024**2:.0f} MiB, and requests would wait for about {seconds:.0f} s "
            f"while they are copied: allow it with `--longest-wait {seconds * 1.5:.0f}`."
        )


def require_disk(stack: Stack, module: str, size: int) -> None:
    """Raise UserError if the disk has not enough space for the copy of a module. `size` is in bytes."""
    free = shutil.disk_usage(stack.state).free
    needed = LEAST_FREE + COPIES * size
    if free < needed:
        raise UserError(
            f"The disk of {stack.state} has {free / 1024**2:.0f} MiB free, and the move of {module} needs "
            f"{needed / 1024**2:.0f} MiB: delete files, then try again."
        )


def as_shape(stack: Stack, shape: Shape) -> Stack:
    """The same stack in another shape."""
    return replace(stack, shape=shape)
