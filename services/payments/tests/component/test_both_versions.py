"""A refund is published in both versions of its event."""

import json
from typing import Any

import pytest
from sqlalchemy import text

Floor = Any
V1, V2 = "payments.payment-refunded.v1", "payments.payment-refunded.v2"


async def refunds(floor: Floor, order_id: Any) -> dict[str, Any]:
    """Type → data of what was published of a refund, in the order of publishing."""
    rows = await floor.published(order_id)
    return {row.type: json.loads(row.data) for row in rows if row.type in (V1, V2)}


async def test_both_versions_are_published_and_the_one_with_the_reason_comes_first(floor: Floor) -> None:
    order_id = await floor.captured()
    await floor.cancel(order_id, reason="deadline")
    await floor.settle_everything()
    found = await refunds(floor, order_id)
    assert list(found) == [V2, V1]
    first, second = found[V1], found[V2]
    assert second["reason"] == "deadline"
    assert second["captured"] == second["refunded"] == first["amount"]
    both = ("order_id", "payment_id", "refund_id", "version", "customer_id", "refunded_at")
    assert {name: second[name] for name in both} == {name: first[name] for name in both}


@pytest.mark.parametrize("reason", [None, "invented-tomorrow"])
async def test_a_reason_is_passed_on_as_it_came_and_a_missing_one_has_a_name(
    floor: Floor, reason: str | None
) -> None:
    """Release 0.1.0 recorded no reason."""
    order_id = await floor.captured()
    await floor.cancel(order_id)
    async with floor.db.transaction() as tx:
        await tx.connection.execute(text("UPDATE payments SET cancel_reason = :reason"), {"reason": reason})
    await floor.settle_everything()
    assert (await refunds(floor, order_id))[V2]["reason"] == (reason or "not_recorded")
