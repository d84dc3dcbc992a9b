"""The parts of the embedded stack: what each does, and what a person may do to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shop_stack import embedded, hands
from shop_stack.connect import TargetKind
from shop_stack.embedded import Status
from shop_stack.errors import UserError
from shop_stack.hands import Act
from shop_stack.stack import Stack
from shop_stack.target import Target

SLOW_PAUSE_SECONDS = 0.3
ACTS = ("start", "stop", "kill", "freeze", "slow", "resume")


def stack_of(target: Target) -> Stack:
    """The embedded stack of this shop. Raises UserError if the shop runs in another way."""
    if target.name != TargetKind.EMBEDDED:
        raise UserError(
            f"Parts can be stopped here on the embedded stack only, and this shop is {target.name}: "
            "`shop chaos list` shows the faults for it."
        )
    return embedded.stack(target.state)


async def parts(target: Target) -> list[dict[str, Any]]:
    """Every part as it is now. Raises UserError as `stack_of` does."""
    return [facts(one) for one in await embedded.status(stack_of(target))]


def facts(one: Status) -> dict[str, Any]:
    """A part for the page: `bytes` of memory, `seconds` since its start, and what may be done to it."""
    return {
        "name": one.name,
        "state": state_of(one),
        "release": one.release,
        "port": one.port,
        "seconds": one.uptime,
        "bytes": one.resources.resident if one.resources else None,
        "acts": acts_on(one),
    }


def state_of(one: Status) -> str:
    """stopped, frozen, slow, ready or not ready."""
    if not one.running:
        return "stopped"
    return str(one.act) or ("ready" if one.ready else "not ready")


def acts_on(one: Status) -> list[str]:
    """The acts that change something about this part."""
    if not one.running:
        return ["start"]
    if one.act in (Act.FROZEN, Act.SLOW):
        return ["resume", "stop", "kill"]
    return ["stop", "kill", "freeze", "slow"]


async def act(target: Target, name: str, what: str) -> str:
    """Do one of ACTS to a part. Returns what was done, in one sentence. Raises UserError with the cure."""
    stack = stack_of(target)
    embedded.require_known(stack, name)
    match what:
        case "start":
            await embedded.start(stack, name)
        case "stop":
            await embedded.stop(stack, name)
            hands.mark_stopped(stack, name)
        case "kill":
            await embedded.kill(stack, name)
        case "freeze":
            hands.freeze(stack, name)
        case "slow":
            hands.slow(stack, name, SLOW_PAUSE_SECONDS)
        case "resume":
            await hands.resume(stack, name)
        case _:
            raise UserError(f"There is no act {what!r}: it is one of {', '.join(ACTS)}.")
    return f"{name} {DONE[what]}."


DONE: Mapping[str, str] = {
    "start": "is started, and ready",
    "stop": "is stopped",
    "kill": "is killed, as kill -9 does",
    "freeze": "is frozen",
    "slow": "is slow",
    "resume": "runs again",
}
