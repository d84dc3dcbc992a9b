"""The business metrics of inventory: what became of the stock that orders asked for."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from chassis.events import new_id
from inventory.main import create_service
from inventory.settings import Settings

STEPS = ("reserved", "rejected", "sold", "released")


@pytest.fixture
async def measured(url: str, floor: Any) -> AsyncIterator[Any]:
    """A floor whose transactions are counted, as those of the service are."""
    service = create_service(Settings(database_url=url, kafka_bootstrap_servers="127.0.0.1:1", role="api"))
    plain, floor.db = floor.db, service.context.database
    yield floor
    await floor.db.close()
    floor.db = plain


def steps() -> dict[str, float]:
    found = {
        step: REGISTRY.get_sample_value("shopfloor_reservations_total", {"step": step}) for step in STEPS
    }
    assert None not in found.values(), "each step is there from the start"
    return {step: number or 0.0 for step, number in found.items()}


async def test_each_step_is_counted_once(measured: Any) -> None:
    await measured.stock(mug=3)
    before = steps()
    sold, released, rejected = new_id(), new_id(), new_id()
    await measured.reserve((sold, {"mug": 2}), (released, {"mug": 1}), (rejected, {"mug": 1}))
    await measured.reserve((sold, {"mug": 2}))
    await measured.commit(sold)
    await measured.release(released)
    await measured.release(released)
    assert {step: number - before[step] for step, number in steps().items()} == {
        "reserved": 2,
        "rejected": 1,
        "sold": 1,
        "released": 1,
    }
