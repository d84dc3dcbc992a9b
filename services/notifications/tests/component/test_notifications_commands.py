"""Commands of an orchestrator run the use cases of the events, and each of them is answered."""

from typing import Any

import pytest
from sqlalchemy import text

from chassis.events import ConsumedEvent, Money, new_id
from notifications.commands import (
    COMMANDS,
    AnnounceCancellation,
    AnnounceConfirmation,
    AnnounceRefund,
    AnnounceRejection,
)
from testkit import published, received

TOTAL = Money(amount_minor=2598, currency="EUR")
ABOUT: dict[str, Any] = {"order_id": new_id(), "customer_id": "customer-ada"}


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (AnnounceConfirmation(**ABOUT, total=TOTAL), "confirmed"),
        (AnnounceRejection(**ABOUT, total=TOTAL, reason="out_of_stock", sold_out=("mug",)), "rejected"),
        (AnnounceCancellation(**ABOUT, total=TOTAL, reason="customer"), "cancelled"),
        (AnnounceRefund(**ABOUT, refunded=TOTAL, reason="customer"), "refunded"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_command_makes_one_message_however_often_it_comes(
    desk: Any, command: ConsumedEvent, kind: str
) -> None:
    for _ in range(2):
        async with desk.database.transaction() as tx:
            await COMMANDS.by_type[command.event_type].handler(tx, [received(command)])
            (answer,) = await published(tx)
            assert answer.model_dump()["command"] == command.event_type
            assert tx.wakes == {"deliver"}
    async with desk.database.reading() as connection:
        rows = await connection.rows(text("SELECT kind FROM notifications"))
    assert [row.kind for row in rows] == [kind]
