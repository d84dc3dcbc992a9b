"""What moves on the map: single records up to a limit, and a count above it."""

from __future__ import annotations

from shop_floor.looks import Reading
from shop_floor.moves import MOST_A_SECOND, Moves
from tools.floor.tests.scenes import TOPICS, confirmed, placed_order


class Clock:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_records_of_an_edge_move_once_and_by_their_event() -> None:
    moves = Moves(TOPICS, Clock())
    moves.written(confirmed().entries)
    told = {(one["from"], one["to"]): one for one in moves.take()}
    assert told["orders", "orders.order.v1"]["kinds"] == {"order-placed": 1, "order-confirmed": 1}
    assert told["notifications", "notifications.notification.v1"]["n"] == 1
    assert [one["n"] for one in moves.take()] == [0, 0, 0, 0]


def test_above_fifty_records_a_second_an_edge_has_a_count_alone() -> None:
    clock = Clock()
    moves = Moves(TOPICS, clock)
    moves.written(placed_order().entries * MOST_A_SECOND)
    assert moves.take()[0]["kinds"] == {"order-placed": MOST_A_SECOND}
    moves.written(placed_order().entries)
    assert moves.take() == [{"from": "orders", "to": "orders.order.v1", "n": 1, "rate": MOST_A_SECOND + 1}]
    clock.now += 1.0
    assert moves.take() == []


def test_a_reader_moves_as_far_as_its_offsets_and_its_first_look_moves_nothing() -> None:
    moves = Moves(TOPICS, Clock())
    edge = ("payments", "orders.order.v1")
    moves.read({edge: Reading(read=500)})
    assert moves.take() == []
    moves.read({edge: Reading(read=503)})
    moves.read({edge: Reading(read=400)})  # the group was wound back
    assert [(one["from"], one["to"], one["n"]) for one in moves.take()] == [
        ("orders.order.v1", "payments", 3)
    ]


def test_a_foreign_record_moves_without_a_name() -> None:
    moves = Moves(TOPICS, Clock())
    moves.written(placed_order().foreign(5).entries[1:])
    assert moves.take()[0]["kinds"] == {"?": 1}
