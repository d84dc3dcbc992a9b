"""The loss of one broker of three is seen by the partitions that others lead after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from shop_chaos.injectors import brokers
from shop_chaos.injectors.brokers import BrokerLost
from shop_chaos.system import System
from shop_stack import embedded
from shop_stack.errors import UserError


@pytest.fixture
def on(tmp_path: Path, base: int) -> System:
    """A stack of three brokers, none of which runs."""
    return System(embedded.stack(tmp_path, base, brokers=3), None)  # type: ignore[arg-type]


def lead(monkeypatch: pytest.MonkeyPatch, leaders: dict[str, int]) -> None:
    async def found(_: System) -> dict[str, int]:
        return leaders

    monkeypatch.setattr(brokers, "_leaders", found)


async def test_only_partitions_that_it_led_and_that_another_broker_leads_now_count(
    on: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = BrokerLost("kafka-2")
    lead(monkeypatch, {"a-0": 2, "a-1": 2, "a-2": 2, "b-0": 1})
    before = await fault.before(on)
    assert await fault.seen(on, before) == {"leaders moved": 0}
    lead(monkeypatch, {"a-0": 3, "a-1": 2, "a-2": -1, "b-0": 3})
    assert await fault.seen(on, before) == {"leaders moved": 1}


async def test_a_broker_that_is_not_there_and_an_unknown_way_are_refused(on: System) -> None:
    with pytest.raises(UserError, match="There is no 'kafka-4'"):
        await BrokerLost("kafka-4").before(on)
    with pytest.raises(UserError, match="stopped, killed, destroyed"):
        await BrokerLost("kafka-2", "eaten").before(on)


async def test_only_the_data_of_a_destroyed_broker_is_deleted(on: System) -> None:
    for way, is_left in (("stopped", True), ("killed", True), ("destroyed", False)):
        data = on.stack.broker_called("kafka-3").data
        data.mkdir(parents=True, exist_ok=True)
        await BrokerLost("kafka-3", way).inject(on)
        assert data.exists() is is_left, way
