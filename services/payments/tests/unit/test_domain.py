"""The states of a payment and what each fact makes of them."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.domain import (
    CLAIMABLE,
    FIRST,
    NEEDS_TOKEN,
    TRANSITIONS,
    Charge,
    Fact,
    State,
)
from payments.jobs import PAUSES

ENDS = {State.CAPTURED, State.DECLINED, State.VOIDED, State.REFUNDED}


def after(state: State | None, fact: Fact) -> State | None:
    return FIRST.get(fact) if state is None else TRANSITIONS[fact].get(state, state)


@given(st.lists(st.sampled_from(Fact), max_size=30))
def test_a_cancelled_order_is_never_charged_afterwards_unless_the_processor_was_asked_before(
    facts: list[Fact],
) -> None:
    state: State | None = None
    asked = cancelled = False
    for fact in facts:
        asked = asked or (fact is Fact.CLAIMED and state in CLAIMABLE)
        cancelled = cancelled or fact is Fact.ORDER_CANCELLED
        state = after(state, fact)
        if cancelled and not asked:
            assert state is State.VOIDED


@given(st.lists(st.sampled_from(Fact), max_size=30))
def test_money_moves_only_after_both_facts_and_a_claim(facts: list[Fact]) -> None:
    state: State | None = None
    for number, fact in enumerate(facts):
        state = after(state, fact)
        if state in (State.CAPTURED, State.DECLINED):
            assert {Fact.ORDER_PLACED, Fact.STOCK_RESERVED, Fact.CLAIMED} <= set(facts[: number + 1])


@pytest.mark.parametrize(
    "facts", [(Fact.ORDER_PLACED, Fact.STOCK_RESERVED), (Fact.STOCK_RESERVED, Fact.ORDER_PLACED)]
)
def test_both_facts_make_a_payment_due_in_either_order(facts: tuple[Fact, Fact]) -> None:
    assert after(after(None, facts[0]), facts[1]) is State.DUE


def test_a_payment_that_the_processor_was_asked_for_cannot_be_voided() -> None:
    voidable = {state for state, to in TRANSITIONS[Fact.ORDER_CANCELLED].items() if to is State.VOIDED}
    assert voidable == {State.AWAITING, State.OPENED, State.DUE}
    assert State.CAPTURING not in {to for before, to in TRANSITIONS[Fact.CLAIMED].items() if before in ENDS}


@pytest.mark.parametrize("end", sorted({State.DECLINED, State.VOIDED, State.REFUNDED}))
@pytest.mark.parametrize("fact", list(Fact))
def test_an_end_is_final(end: State, fact: Fact) -> None:
    assert after(end, fact) is end


def test_every_state_is_reached_and_only_ends_are_left_by_nothing() -> None:
    reached = set(FIRST.values()) | {to for moves in TRANSITIONS.values() for to in moves.values()}
    left = {before for moves in TRANSITIONS.values() for before in moves}
    assert reached == set(State)
    assert set(State) - left == {State.DECLINED, State.VOIDED, State.REFUNDED}


def test_a_settled_payment_has_no_use_for_the_card_token() -> None:
    assert not NEEDS_TOKEN & ENDS


def test_a_charge_shows_no_card_token() -> None:
    assert "tok_secret" not in repr(Charge(uuid4(), uuid4(), 1, "EUR", "tok_secret", 1, None))


@given(st.integers(1, 10_000))
def test_a_pause_is_never_nothing_and_never_too_long(attempts: int) -> None:
    assert 0.05 <= PAUSES.pause(attempts) <= 15


def test_pauses_grow() -> None:
    pauses = [PAUSES.pause(attempts) for attempts in (1, 3, 5, 8)]
    assert pauses == sorted(set(pauses))
