"""`shop saga diff` on two running shops: what it counts is what happens."""

from pathlib import Path

import pytest

from shop_lab.saga_diff.run import PORTS_ABOVE, both_sagas
from shop_stack.ports import free_base
from shop_stack.shapes import Shape


@pytest.mark.usefixtures("whole_run")
async def test_one_order_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("SHOP_PORT_BASE", str(free_base() - PORTS_ABOVE))
    steps: list[str] = []
    sagas = await both_sagas(Shape.parse("monolith"), 5, steps.append)
    first, second = sagas["choreographed"], sagas["orchestrated"]
    assert (first.hops, second.hops) == (4, 6)
    assert len(second.messages) > len(first.messages)
    assert first.changes["the sequence of the steps"] == ["inventory", "notifications", "orders", "payments"]
    assert second.changes["the sequence of the steps"] == ["orders"]
    assert {"orders", "inventory"} == set(first.reads["payments"])
    assert second.reads["payments"] == {"orders": ["charge-payment", "cancel-payment"]}
    assert 0 < first.confirmed_ms.median <= first.last_ms.median
    assert any(step.startswith("orchestrated: ") for step in steps)
