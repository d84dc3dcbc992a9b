"""Workers follow the lag of their group: one, four, one again. KEDA does it, as deploy/k8s/components/keda says."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
import yaml

from shop_stack import paths
from shop_stack.target import Target
from testkit import eventually
from tests.kubernetes.drills import checks
from tests.kubernetes.drills.conftest import READY, Floor

LAG = 20
"""Messages unread per replica in this drill; the component's own number would need a larger shop."""
COMPONENT = paths.repository() / "deploy" / "k8s" / "components" / "keda"


async def test_workers_follow_the_lag_from_one_to_four_and_back(floor: Floor) -> None:
    if not await has_keda(floor):
        pytest.skip(
            "this cluster has no KEDA (no resource scaledobjects.keda.sh): install it to have this tried"
        )
    scaling = scaling_of("analytics")
    await floor.scale("analytics-worker", 1)
    began = time.monotonic()
    try:
        await floor.kubectl("apply", "--filename", "-", stdin=scaling)
        async with floor.customers(at_least=5 * LAG) as sales:
            async with standing_still(floor.target, "analytics") as lock:

                async def four_are_asked_for() -> None:
                    await lock.execute("SELECT 1")  # without its session the lock is gone
                    await is_asked_for(floor, "analytics-worker", 4)

                await eventually(four_are_asked_for, READY)
            asked = time.monotonic()
            await eventually(lambda: floor.has_replicas("analytics-worker", 4), READY)
            up = time.monotonic()
        await eventually(lambda: floor.has_replicas("analytics-worker", 1), READY)
        down = time.monotonic()
    finally:
        await floor.kubectl("delete", "--ignore-not-found", "--filename", "-", stdin=scaling)
        await floor.scale("analytics-worker", 1)
    await floor.judge()
    assert checks.customer_faults(sales) == []
    floor.note(
        "scale on lag",
        began,
        sales,
        **{
            "4 asked for after": round(asked - began),
            "4 ready after": round(up - began),
            "1 after another": round(down - up),
        },
    )


async def has_keda(floor: Floor) -> bool:
    return "scaledobjects" in await floor.kubectl("api-resources", "--api-group=keda.sh")


def scaling_of(service: str) -> str:
    """What the component has for this service, with the drill's own threshold."""
    objects = list(yaml.safe_load_all((COMPONENT / "scaledobjects.yaml").read_text()))
    (scaled,) = [one for one in objects if one["metadata"]["name"] == f"{service}-worker"]
    for trigger in scaled["spec"]["triggers"]:
        trigger["metadata"]["lagThreshold"] = str(LAG)
    return yaml.safe_dump(scaled) + "---\n" + (COMPONENT / "lag.yaml").read_text()


@asynccontextmanager
async def standing_still(target: Target, service: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """The service handles nothing, for its inbox is locked: it falls behind and stays alive.

    Gives the session that has the lock.
    """
    connection = await asyncpg.connect(target.database_urls[service])
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
            yield connection
    finally:
        await connection.close()


async def is_asked_for(floor: Floor, deployment: str, wanted: int) -> None:
    assert (await floor.get("deployment", deployment))["spec"]["replicas"] == wanted
