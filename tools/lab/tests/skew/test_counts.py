"""Messages that crossed from one release to the other are counted, and no others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from shop_lab.skew.cells import Crossings
from shop_lab.skew.counts import crossings
from shop_lab.skew.pairs import Pair
from shop_observe.handled import UNCERTAIN, Handling, Process
from shop_stack.deployments import Deployed

PAIRS = {
    service: Pair(Deployed(service, "0.1.0", Path("old")), Deployed(service, "clone", Path("new")))
    for service in ("orders", "payments", "analytics")
}
OLD_ORDERS = Process("orders", "0.1.0")
NEW_ORDERS = Process("orders", "clone")
OLD_PAYMENTS = Process("payments", "0.1.0")
NEW_PAYMENTS = Process("payments", "clone")
CROSSED = Handling("e1", "o1", "process a.b.v1", OLD_ORDERS, NEW_PAYMENTS, failed=False, began_ns=1)


def test_each_direction_is_counted() -> None:
    back = replace(CROSSED, event_id="e2", writer=NEW_PAYMENTS, reader=OLD_ORDERS)
    more = replace(back, event_id="e3")
    assert crossings([CROSSED, back, more], PAIRS, "orders") == Crossings(1, 2)
    assert crossings([CROSSED, back, more], PAIRS, "payments") == Crossings(1, 2)


@pytest.mark.parametrize(
    "other",
    [
        replace(CROSSED, failed=True),
        replace(CROSSED, writer=Process("orders", UNCERTAIN)),
        replace(CROSSED, writer=NEW_ORDERS),
        replace(CROSSED, reader=OLD_PAYMENTS),
        replace(CROSSED, reader=Process("payments", "0.0.9")),
        replace(CROSSED, reader=Process("a stranger", "clone")),
        replace(CROSSED, writer=Process("analytics", "0.1.0")),
    ],
    ids=["failed", "uncertain writer", "both new", "both old", "a third release", "no service", "others"],
)
def test_all_other_messages_are_not_counted(other: Handling) -> None:
    assert crossings([other], PAIRS, "orders") == Crossings(0, 0)


def test_a_message_that_was_handled_again_counts_once_for_each_reader() -> None:
    again = replace(CROSSED, began_ns=2)
    elsewhere = replace(CROSSED, reader=Process("analytics", "clone"))
    assert crossings([CROSSED, again, elsewhere], PAIRS, "orders") == Crossings(2, 0)
