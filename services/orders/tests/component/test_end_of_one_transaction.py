"""A saga that is one transaction is finished when no order that it has placed is PENDING."""

from typing import Any

from orders.jobs import has_placed_pending_orders


async def test_an_order_that_the_transaction_has_placed_must_have_ended(floor: Any) -> None:
    other, order_id = await floor.place(), await floor.place()
    of_order, of_other = await floor.outbox(order_id), await floor.outbox(other)
    async with floor.database.reading() as connection:
        assert await has_placed_pending_orders(connection, of_order)
        await floor.confirm(order_id)
        assert not await has_placed_pending_orders(connection, of_order)
        assert await has_placed_pending_orders(connection, [*of_order, *of_other])


async def test_a_transaction_that_places_no_order_is_finished(floor: Any) -> None:
    order_id = await floor.place()
    await floor.confirm(order_id)
    await floor.place()
    confirmed = [row for row in await floor.outbox(order_id) if row.type != "orders.order-placed.v1"]
    async with floor.database.reading() as connection:
        assert len(confirmed) == 1
        assert not await has_placed_pending_orders(connection, confirmed)
