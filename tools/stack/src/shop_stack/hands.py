"""Parts of the embedded stack that a person has stopped, frozen or slowed down.

    hands.freeze(stack, "payments")
    hands.slow(stack, "postgres", pause=0.3)
    await hands.resume(stack, "postgres")

A frozen part has SIGSTOP: its process lives, its ports accept connections, and it does not answer. A slow part is
frozen for a pause, again and again, by a process of its own (`shop_stack.slowing`).

What is frozen or slow is read from the processes themselves, so that no record can be wrong after a crash. A stopped
part has no process. So a file says that a person has stopped it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

import psutil

from shop_stack.errors import UserError
from shop_stack.parts import child_environment
from shop_stack.process import Daemon
from shop_stack.stack import EVERYTHING, Stack

LONGEST_PAUSE = 60.0
"""Seconds."""
FREEZE_SECONDS = 1.0
"""The time for which `freeze` waits until the process has stopped."""


class Act(StrEnum):
    """What a person has done to a part."""

    NONE = ""
    STOPPED = "stopped"
    FROZEN = "frozen"
    SLOW = "slow"


def act_on(stack: Stack, name: str) -> Act:
    """What a person has done to a part, and not undone yet."""
    running = stack.daemon(name).process()
    if running is None:
        return Act.STOPPED if _mark(stack, name).exists() else Act.NONE
    if _slowing(stack, name).process() is not None:
        return Act.SLOW
    return Act.FROZEN if is_frozen(running) else Act.NONE


def is_frozen(process: psutil.Process) -> bool:
    """Whether a process has SIGSTOP."""
    try:
        return process.status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False


def freeze(stack: Stack, name: str) -> None:
    """Freeze a part until `resume`. It is frozen when this function returns.

    Raises UserError if it does not run, or if it is frozen or slow already.
    """
    running = _free_to_act(stack, name)
    pause_family(running)
    # A signal reaches a process a little after it was sent.
    until = time.monotonic() + FREEZE_SECONDS
    while not is_frozen(running) and time.monotonic() < until:
        time.sleep(0.005)


def slow(stack: Stack, name: str, pause: float) -> None:
    """Freeze a part for `pause` seconds, again and again, until `resume`.

    Raises UserError if it does not run, if it is frozen or slow already, or if the pause is out of range.
    """
    if not 0 < pause <= LONGEST_PAUSE:
        raise UserError(f"A pause is longer than 0 s and at most {LONGEST_PAUSE:.0f} s, such as 0.3s.")
    running = _free_to_act(stack, name)
    argv = [sys.executable, "-m", "shop_stack.slowing", str(running.pid), str(pause)]
    _slowing(stack, name).start(argv, env=child_environment())


async def resume(stack: Stack, name: str) -> None:
    """Let a frozen or slow part run again. Without effect on any other part."""
    await _slowing(stack, name).stop()
    if (running := stack.daemon(name).process()) is not None:
        resume_family(running)


def mark_stopped(stack: Stack, name: str) -> None:
    """Note that a person has stopped a part. Its next start deletes the note."""
    _mark(stack, name).touch()


def forget_stopped(stack: Stack, names: tuple[str, ...] = EVERYTHING) -> None:
    """Delete the notes that a person has stopped these parts."""
    for name in names:
        _mark(stack, name).unlink(missing_ok=True)


def require_not_frozen(stack: Stack, name: str) -> None:
    """Raise UserError if a part is frozen: it would never become ready."""
    if act_on(stack, name) is Act.FROZEN:
        raise UserError(f"{name} is frozen: `shop resume {name}` lets it run again.")


def pause_family(process: psutil.Process) -> None:
    """Send SIGSTOP to a process and its children. The parent is first, so that it starts no other child meanwhile."""
    with suppress(psutil.NoSuchProcess):
        process.suspend()
    for child in _children(process):
        with suppress(psutil.NoSuchProcess):
            child.suspend()


def resume_family(process: psutil.Process) -> None:
    """Send SIGCONT to a process and its children."""
    for member in (*_children(process), process):
        with suppress(psutil.NoSuchProcess):
            member.resume()


def family_of(process: psutil.Process) -> list[psutil.Process]:
    """A process and its descendants."""
    return [process, *_children(process)]


def _children(process: psutil.Process) -> Iterator[psutil.Process]:
    try:
        yield from process.children(recursive=True)
    except psutil.NoSuchProcess:
        return


def _free_to_act(stack: Stack, name: str) -> psutil.Process:
    """The process of a part that is neither frozen nor slowed down. Raises UserError with the cure."""
    running = stack.daemon(name).process()
    if running is None:
        raise UserError(f"{name} does not run: `shop start {name}` starts it.")
    if act := act_on(stack, name):
        raise UserError(f"{name} is {act} already: `shop resume {name}` lets it run again.")
    return running


def _slowing(stack: Stack, name: str) -> Daemon:
    """The process that slows a part down."""
    return Daemon(f"{name}-slow", stack.state)


def _mark(stack: Stack, name: str) -> Path:
    return stack.state / "run" / f"{name}.stopped"
