"""The conservation law on a real PostgreSQL: random batches, through the real statements."""

from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory.domain import IllegalTransition, State, UnknownReservation

ORDER = st.integers(0, 5)
PIECES = st.dictionaries(st.sampled_from(["mug", "cup", "ghost"]), st.integers(1, 4), min_size=1)
ORDERS = st.lists(ORDER, min_size=1, max_size=4, unique=True)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.dictionaries(ORDER, PIECES, min_size=1, max_size=4)),
        st.tuples(st.just("commit"), ORDERS),
        st.tuples(st.just("release"), ORDERS),
        st.tuples(st.just("replenish"), st.integers(1, 5)),
    ),
    min_size=1,
    max_size=8,
)


# The database outlives the examples on purpose: each has SKUs and orders of its own.
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(initial=st.integers(0, 8), steps=STEPS)
async def test_no_sequence_of_events_creates_or_loses_a_piece(
    floor: Any, initial: int, steps: list[tuple[str, object]]
) -> None:
    shop = uuid4()
    orders = [UUID(int=shop.int ^ number) for number in range(6)]
    skus = {name: f"{name}-{shop}" for name in ("mug", "cup", "ghost")}
    await floor.stock(**{skus["mug"]: initial, skus["cup"]: initial})
    for step, what in steps:
        await _do(floor, step, what, orders, skus)
        for sku in (skus["mug"], skus["cup"]):
            await _check(floor, sku, orders)


async def _do(floor: Any, step: str, what: object, orders: list[UUID], skus: dict[str, str]) -> None:
    match step, what:
        case "reserve", dict(batch):
            await floor.reserve(
                *(
                    (orders[number], {skus[name]: quantity for name, quantity in pieces.items()})
                    for number, pieces in batch.items()
                )
            )
        case "release", list(numbers):
            await floor.release(*(orders[number] for number in numbers))
        case "commit", list(numbers):
            try:
                await floor.commit(*(orders[number] for number in numbers))
            except (IllegalTransition, UnknownReservation):
                pass  # Refused as a whole: the check that follows sees that nothing has changed by halves.
        case "replenish", int(quantity):
            await floor.replenish(skus["mug"], quantity)


async def _check(floor: Any, sku: str, orders: list[UUID]) -> None:
    product = await floor.product(sku)
    assert product.initial + product.replenished == product.on_hand + product.sold
    assert 0 <= product.reserved <= product.on_hand
    assert product.reserved == await _held(floor, sku, State.RESERVED, orders)
    assert product.sold == await _held(floor, sku, State.COMMITTED, orders)


async def _held(floor: Any, sku: str, state: State, orders: list[UUID]) -> int:
    return sum(
        line.quantity
        for held in await floor.holdings(orders)
        if held.state is state
        for line in held.lines
        if line.sku == sku
    )
