"""The rules of stock, without a database."""

from uuid import uuid4

import pytest

from inventory.domain import (
    EFFECTS,
    TRANSITIONS,
    IllegalTransition,
    InvalidPrice,
    InvalidQuantity,
    InvalidSku,
    Line,
    Request,
    Reservation,
    Shortage,
    State,
    StockAction,
    allocate,
    apply_action,
    check_price,
    check_quantity,
    check_sku,
    quantities,
)


def request(**pieces: int) -> Request:
    return Request(uuid4(), tuple(Line(sku, quantity) for sku, quantity in pieces.items()))


def reservation(state: State) -> Reservation:
    return Reservation(uuid4(), state, (Line("mug", 2),), version=1)


def test_an_order_gets_all_of_its_lines() -> None:
    [decision] = allocate([request(mug=2, cup=1)], {"mug": 2, "cup": 5})
    assert decision.is_accepted


def test_an_order_that_lacks_one_sku_gets_none_of_its_lines_and_leaves_them_to_the_next() -> None:
    first, second = allocate([request(mug=2, cup=9), request(mug=2)], {"mug": 2, "cup": 5})
    assert first.shortages == (Shortage("cup", requested=9, available=5),)
    assert second.is_accepted


def test_every_short_sku_is_named() -> None:
    [decision] = allocate([request(mug=3, cup=9)], {"mug": 2, "cup": 5})
    assert decision.shortages == (Shortage("mug", 3, 2), Shortage("cup", 9, 5))


def test_orders_are_decided_in_the_order_of_arrival() -> None:
    decisions = allocate([request(mug=2), request(mug=2), request(mug=1)], {"mug": 3})
    assert [decision.is_accepted for decision in decisions] == [True, False, True]
    assert decisions[1].shortages == (Shortage("mug", requested=2, available=1),)


def test_an_unknown_sku_has_nothing_available() -> None:
    [decision] = allocate([request(ghost=1)], {})
    assert decision.shortages == (Shortage("ghost", requested=1, available=0),)


def test_lines_of_one_sku_count_together() -> None:
    twice = Request(uuid4(), (Line("mug", 2), Line("mug", 2)))
    [decision] = allocate([twice], {"mug": 3})
    assert decision.shortages == (Shortage("mug", requested=4, available=3),)


def test_allocation_leaves_the_given_counts_alone() -> None:
    available = {"mug": 3}
    allocate([request(mug=2)], available)
    assert available == {"mug": 3}


def test_quantities_add_up_per_sku() -> None:
    assert quantities([Line("mug", 1), Line("cup", 2), Line("mug", 3)]) == {"mug": 4, "cup": 2}


@pytest.mark.parametrize(
    ("act", "state"), [(StockAction.COMMIT, State.COMMITTED), (StockAction.RELEASE, State.RELEASED)]
)
def test_a_reservation_can_be_committed_or_released(act: StockAction, state: State) -> None:
    after = reservation(State.RESERVED).after(act)
    assert (after.state, after.version) == (state, 2)


@pytest.mark.parametrize("state", [State.REJECTED, State.RELEASED, State.COMMITTED, State.TOMBSTONE])
def test_release_leaves_alone_what_holds_no_stock(state: State) -> None:
    before = reservation(state)
    assert before.after(StockAction.RELEASE) is before
    assert apply_action([before], StockAction.RELEASE) == []


def test_a_second_commit_changes_nothing() -> None:
    before = reservation(State.COMMITTED)
    assert before.after(StockAction.COMMIT) is before


@pytest.mark.parametrize("state", [State.REJECTED, State.RELEASED, State.TOMBSTONE])
def test_what_holds_no_stock_cannot_be_committed(state: State) -> None:
    with pytest.raises(IllegalTransition, match=f"Cannot commit .*: it is {state}"):
        reservation(state).after(StockAction.COMMIT)


def test_every_change_of_state_is_one_of_a_reservation_that_holds_stock() -> None:
    changes = {pair: state for pair, state in TRANSITIONS.items() if state is not pair[0]}
    assert {state for state, _ in changes} == {State.RESERVED}


def test_every_effect_keeps_the_pieces_and_commit_and_release_give_back_what_reserve_took() -> None:
    for effect in EFFECTS.values():
        assert effect.on_hand + effect.sold == 0
    for act in (StockAction.COMMIT, StockAction.RELEASE):
        assert EFFECTS[StockAction.RESERVE].reserved + EFFECTS[act].reserved == 0


@pytest.mark.parametrize("sku", ["a", "Mug-1_b.2", "x" * 64])
def test_a_sku_is_up_to_64_safe_characters(sku: str) -> None:
    check_sku(sku)


@pytest.mark.parametrize("sku", ["", "x" * 65, "a b", "a/b", "ä", "a\n", "a\x00"])
def test_anything_else_is_no_sku(sku: str) -> None:
    with pytest.raises(InvalidSku):
        check_sku(sku)


@pytest.mark.parametrize(
    ("amount", "currency"), [(0, "EUR"), (-1, "EUR"), (10**13, "EUR"), (1, "eur"), (1, "EURO"), (1, "EUR\n")]
)
def test_a_price_is_positive_and_has_a_currency(amount: int, currency: str) -> None:
    check_price(1, "EUR")
    with pytest.raises(InvalidPrice):
        check_price(amount, currency)


@pytest.mark.parametrize("quantity", [0, -1, 11])
def test_a_quantity_outside_of_its_range_is_refused(quantity: int) -> None:
    check_quantity(1, 1, 10)
    check_quantity(10, 1, 10)
    with pytest.raises(InvalidQuantity, match="is not between 1 and 10"):
        check_quantity(quantity, 1, 10)
