"""Some crash points, chosen by seed: no order is lost if the process is killed or cancelled there.

`make crash-points` tries all points of a service, with more kinds of strikes.
"""

import os
import random
from typing import Any

import pytest

from tests.crash_points.injection import CANCEL, KILL
from tests.crash_points.matrix import Shop, strike_all
from tests.crash_points.subject import Trial

pytestmark = pytest.mark.skipif(
    os.environ.get("SHOP_CRASH_POINT_TESTS") != "1",
    reason="strikes processes of a shop: run `make test-crash-points`",
)
SEED = 20261129
POINTS = {
    "payments": (
        "chassis.inbox.inbox:Inbox.process:1",
        "chassis.inbox.inbox:Inbox._dispatch:1",
        "chassis.jobs.intents:_Run.process_due:1",
        "chassis.kafka.offsets:OffsetCommitter._try_to_commit:1",
        "chassis.kafka.publisher:KafkaPublisher.send:1",
        "chassis.outbox.leases:ShardLeases.renew:1",
        "chassis.outbox.relay:Relay._relay_page:1",
        "chassis.outbox.relay:Relay._relay_page:2",
        "chassis.outbox.transactions:Database.transaction:3",
        "chassis.outbox.transactions:Database.transaction:5",
    ),
}
"""Service → points that it reaches within seconds while orders arrive."""


@pytest.mark.parametrize("service", POINTS)
async def test_a_service_that_is_struck_at_points_chosen_by_seed_loses_no_order(
    floor: Any, service: str
) -> None:
    dice = random.Random(f"{SEED} {service}")
    chosen = dice.sample(POINTS[service], 4)
    trials = [Trial(service, kind, point) for point, kind in zip(chosen, (KILL, CANCEL) * 2, strict=True)]
    said: list[str] = []
    struck = await strike_all(Shop(floor.stack, floor.target), trials, said.append)
    assert all(struck), said
    await floor.assert_that_the_oracle_holds()
