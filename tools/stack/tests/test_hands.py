"""What a person does to one part: it is seen, it can be undone, and a stop works on every part."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from shop_stack import embedded, hands, paths
from shop_stack.errors import UserError
from shop_stack.hands import Act
from shop_stack.stack import Stack
from testkit import eventually

PARENT = """
import pathlib, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
def end(*_):
    child.kill()
    pathlib.Path("ended-in-order").touch()
    sys.exit()
signal.signal(signal.SIGTERM, end)
child.wait()
"""
"""A program with a child, as PostgreSQL has one for each connection. A SIGTERM ends it in order."""
PART = "processor"


@pytest.fixture
async def stack(tmp_path: Path, base: int) -> AsyncIterator[Stack]:
    """A stack of which one part runs: a parent with a child."""
    stack = embedded.stack(tmp_path / "state", base, services=())
    paths.make_private(stack.state)
    stack.daemon(PART).start([sys.executable, "-c", PARENT], env={}, cwd=stack.state)
    yield stack
    await embedded.down(stack, wipe=True)


def states(stack: Stack) -> list[str]:
    """The states of the part's processes; [] if it does not run."""
    running = stack.daemon(PART).process()
    if running is None:
        return []
    return [one.status() for one in (running, *running.children(recursive=True))]


async def is_stopped_whole(stack: Stack) -> None:
    assert states(stack) == [psutil.STATUS_STOPPED] * 2


async def runs_whole(stack: Stack) -> None:
    assert len(states(stack)) == 2
    assert psutil.STATUS_STOPPED not in states(stack)


async def test_a_frozen_part_stands_still_with_its_children_until_it_is_resumed(stack: Stack) -> None:
    await eventually(lambda: runs_whole(stack))
    assert hands.act_on(stack, PART) is Act.NONE
    hands.freeze(stack, PART)
    await eventually(lambda: is_stopped_whole(stack))
    assert hands.act_on(stack, PART) is Act.FROZEN
    (status,) = (one for one in await embedded.status(stack) if one.name == PART)
    assert (status.running, status.ready, status.act) == (True, False, Act.FROZEN)
    await hands.resume(stack, PART)
    await eventually(lambda: runs_whole(stack))
    assert hands.act_on(stack, PART) is Act.NONE


async def test_a_slow_part_stands_still_and_runs_in_turns_until_it_is_resumed(stack: Stack) -> None:
    await eventually(lambda: runs_whole(stack))
    hands.slow(stack, PART, pause=0.2)
    for _ in range(2):
        await eventually(lambda: is_stopped_whole(stack))
        await eventually(lambda: runs_whole(stack))
    assert hands.act_on(stack, PART) is Act.SLOW
    await hands.resume(stack, PART)
    await eventually(lambda: runs_whole(stack))
    assert hands.act_on(stack, PART) is Act.NONE


async def test_a_frozen_part_ends_in_order_when_it_is_stopped(stack: Stack) -> None:
    await eventually(lambda: runs_whole(stack))
    hands.freeze(stack, PART)
    await embedded.stop(stack, PART)
    assert (stack.state / "ended-in-order").exists()


async def test_what_slows_a_part_ends_with_the_part(stack: Stack) -> None:
    hands.slow(stack, PART, pause=0.1)
    await embedded.kill(stack, PART)
    assert states(stack) == []
    assert list((stack.state / "run").glob("*-slow.json")) == []


async def test_a_part_is_frozen_or_slow_once_and_each_refusal_names_the_cure(stack: Stack) -> None:
    hands.freeze(stack, PART)
    with pytest.raises(UserError, match="processor is frozen already: `shop resume processor`"):
        hands.freeze(stack, PART)
    with pytest.raises(UserError, match="processor is frozen already: `shop resume processor`"):
        hands.slow(stack, PART, pause=0.1)
    with pytest.raises(UserError, match="issuer does not run: `shop start issuer`"):
        hands.freeze(stack, "issuer")
    for pause in (0.0, -1.0, 61.0, float("nan")):
        with pytest.raises(UserError, match="longer than 0 s and at most 60 s"):
            hands.slow(stack, PART, pause=pause)


async def test_a_start_of_the_shop_names_a_frozen_part_instead_of_waiting_for_it(stack: Stack) -> None:
    hands.freeze(stack, PART)
    with pytest.raises(UserError, match="processor is frozen: `shop resume processor`"):
        hands.require_not_frozen(stack, PART)


async def test_a_part_counts_as_stopped_by_hand_until_it_runs_or_the_shop_is_closed(stack: Stack) -> None:
    assert hands.act_on(stack, "issuer") is Act.NONE
    hands.mark_stopped(stack, "issuer")
    assert hands.act_on(stack, "issuer") is Act.STOPPED
    hands.mark_stopped(stack, PART)
    assert hands.act_on(stack, PART) is Act.NONE
    await embedded.down(stack)
    assert {hands.act_on(stack, name) for name in ("issuer", PART)} == {Act.NONE}
