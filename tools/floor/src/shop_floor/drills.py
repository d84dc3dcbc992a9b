"""Blind drills, as `shop drill` does them: it is a program of its own, because it loads every injector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shop_floor import programs
from shop_floor.jobs import Tell
from shop_floor.parts import stack_of
from shop_stack.target import Target

CAUSES: Mapping[str, str] = {
    "down": "its process has ended",
    "frozen": "its process lives and does nothing",
    "slow": "its process is paused again and again",
    "rights": "Kafka refuses it: the part is the service that lost a right",
    "connections": "PostgreSQL refuses its connections: the part is the service that is refused",
}
"""The causes that an answer may name. A test compares them with those of `shop drill`."""
NO_DRILL = "No drill is on"


async def state(target: Target) -> dict[str, Any]:
    """Whether a drill is on, with its seconds, orders, wrong answers and hints.

    `lacks` is why it is not known, else empty. Raises UserError for a shop that has no drills.
    """
    parts = [*stack_of(target).parts]
    known = {"on": False, "lacks": "", "parts": parts, "causes": dict(CAUSES)}
    ended = await programs.shop(target, "drill", "status", "--json")
    if ended.code == 0:
        return {**known, **dict(programs.read(ended)), "on": True}
    sentence = programs.sentence_of(ended)
    return {**known, "lacks": "" if sentence.startswith(NO_DRILL) else sentence}


async def start(target: Target, seed: int | None, tell: Tell) -> dict[str, Any]:
    """Let customers come, and inject one unknown fault. Raises UserError if a part is not ready or a drill is on."""
    stack_of(target)
    tell("Customers come, the data is measured, and a fault is injected.")
    chosen = () if seed is None else ("--seed", str(seed))
    return dict(programs.read(await programs.shop(target, "drill", "start", "--json", *chosen)))


async def hint(target: Target) -> str:
    """The next hint. Raises UserError if no drill is on."""
    return str(programs.read(await programs.shop(target, "drill", "hint", "--json"))["hint"])


async def answer(target: Target, part: str, cause: str, tell: Tell) -> dict[str, Any]:
    """The verdict. Raises UserError for a wrong answer, and if no drill is on."""
    tell("The diagnosis is compared, and if it is right, the cure is judged by the oracle.")
    wish = ("--part", part, "--cause", cause, "--json")
    return dict(programs.read(await programs.shop(target, "drill", "answer", *wish)))


async def stop(target: Target, tell: Tell) -> dict[str, Any]:
    """Give up. Returns what the fault was. Raises UserError if no drill is on."""
    tell("The fault is undone, and the customers leave.")
    return dict(programs.read(await programs.shop(target, "drill", "stop", "--json")))
