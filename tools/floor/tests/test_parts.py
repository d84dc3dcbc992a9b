"""What a person may do to a part: only that which changes something, and only on the embedded stack."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from shop_floor import parts
from shop_stack.embedded import Status
from shop_stack.errors import UserError
from shop_stack.hands import Act
from tools.floor.tests.scenes import fake_target

READY = Status("payments", True, True, 18003, 42, 10.0, None, "clone")


@pytest.mark.parametrize(
    ("one", "state", "acts"),
    [
        (READY, "ready", ["stop", "kill", "freeze", "slow"]),
        (replace(READY, ready=False), "not ready", ["stop", "kill", "freeze", "slow"]),
        (replace(READY, act=Act.FROZEN), "frozen", ["resume", "stop", "kill"]),
        (replace(READY, act=Act.SLOW), "slow", ["resume", "stop", "kill"]),
        (replace(READY, running=False, act=Act.STOPPED), "stopped", ["start"]),
    ],
)
def test_each_state_has_its_acts(one: Status, state: str, acts: list[str]) -> None:
    told = parts.facts(one)
    assert (told["state"], told["acts"]) == (state, acts)
    assert set(acts) <= set(parts.ACTS)


async def test_a_shop_in_containers_is_not_broken_from_here(tmp_path: Path) -> None:
    elsewhere = replace(fake_target("http://127.0.0.1:1", tmp_path), name="compose")
    with pytest.raises(UserError, match="embedded stack only"):
        await parts.act(elsewhere, "payments", "kill")


async def test_an_act_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no act 'explode'"):
        await parts.act(fake_target("http://127.0.0.1:1", tmp_path), "payments", "explode")
