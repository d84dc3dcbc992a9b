"""Commands of an orchestrator run the use cases of the events, and each of them is answered."""

from typing import Any
from uuid import UUID, uuid4

from chassis.events import ConsumedEvent
from inventory.commands import COMMANDS, CommitStock, ReleaseStock, ReserveStock
from inventory.events import OrderedLine
from testkit import published, received


async def carry_out(floor: Any, command: ConsumedEvent) -> list[str]:
    """A command arrives. Returns the events that inventory publishes, without service and version."""
    async with floor.db.transaction() as tx:
        await COMMANDS.by_type[command.event_type].handler(tx, [received(command)])
        return [event.event_type.split(".")[1] for event in await published(tx)]


def reserve(order_id: UUID, pieces: int) -> ReserveStock:
    return ReserveStock(order_id=order_id, lines=(OrderedLine(sku="mug", quantity=pieces),))


async def test_stock_is_reserved_and_sold_by_commands(floor: Any) -> None:
    await floor.stock(mug=5)
    order_id = uuid4()
    assert await carry_out(floor, reserve(order_id, 2)) == ["stock-reserved"]
    assert await carry_out(floor, CommitStock(order_id=order_id)) == ["stock-committed", "command-done"]


async def test_stock_that_is_not_there_is_rejected(floor: Any) -> None:
    await floor.stock(mug=1)
    assert await carry_out(floor, reserve(uuid4(), 2)) == ["stock-rejected"]


async def test_a_command_that_changes_nothing_is_answered_too(floor: Any) -> None:
    await floor.stock(mug=5)
    order_id = uuid4()
    await carry_out(floor, reserve(order_id, 2))
    release = ReleaseStock(order_id=order_id)
    assert await carry_out(floor, release) == ["stock-released", "command-done"]
    assert await carry_out(floor, release) == ["command-done"]


async def test_a_release_before_the_reservation_leaves_no_stock_reserved(floor: Any) -> None:
    await floor.stock(mug=5)
    order_id = uuid4()
    assert await carry_out(floor, ReleaseStock(order_id=order_id)) == ["command-done"]
    assert await carry_out(floor, reserve(order_id, 2)) == []
