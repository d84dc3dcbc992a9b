"""Whatever happens to orders, in whatever order: no piece appears or vanishes, and none is promised twice."""

from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from inventory.domain import (
    EFFECTS,
    IllegalTransition,
    Line,
    Request,
    Reservation,
    State,
    StockAction,
    allocate,
    apply_action,
    quantities,
)

SKUS = ("mug", "cup", "jug")
ORDERS = st.integers(0, 7).map(lambda number: UUID(int=number))
LINES = st.lists(
    st.builds(Line, st.sampled_from((*SKUS, "ghost")), st.integers(1, 4)), min_size=1, max_size=3
).map(tuple)


class Counts:
    """One SKU's stock, as the products table keeps it."""

    def __init__(self, initial: int) -> None:
        self.initial = self.on_hand = initial
        self.replenished = self.reserved = self.sold = 0


class Stock(RuleBasedStateMachine):
    """The products and reservations tables as dictionaries, under the domain's own rules."""

    @initialize(initial=st.integers(0, 10))
    def open_shop(self, initial: int) -> None:
        self.products = {sku: Counts(initial) for sku in SKUS}
        self.reservations: dict[UUID, Reservation] = {}

    @rule(batch=st.dictionaries(ORDERS, LINES, min_size=1, max_size=4))
    def reserve(self, batch: dict[UUID, tuple[Line, ...]]) -> None:
        requests = [Request(id, lines) for id, lines in batch.items() if id not in self.reservations]
        available = {sku: counts.on_hand - counts.reserved for sku, counts in self.products.items()}
        for decision in allocate(requests, available):
            state = State.RESERVED if decision.is_accepted else State.REJECTED
            held = Reservation(decision.request.order_id, state, decision.request.lines, 1)
            self.reservations[held.order_id] = held
            if decision.is_accepted:
                self.move(StockAction.RESERVE, held.lines)

    @rule(order_id=ORDERS)
    def release(self, order_id: UUID) -> None:
        tombstone = Reservation(order_id, State.TOMBSTONE, (), 1)
        self.end(self.reservations.setdefault(order_id, tombstone), StockAction.RELEASE)

    @rule(order_id=ORDERS)
    def commit(self, order_id: UUID) -> None:
        if held := self.reservations.get(order_id):
            try:
                self.end(held, StockAction.COMMIT)
            except IllegalTransition:
                assert held.state not in (State.RESERVED, State.COMMITTED)

    @rule(sku=st.sampled_from(SKUS), quantity=st.integers(1, 5))
    def replenish(self, sku: str, quantity: int) -> None:
        self.products[sku].replenished += quantity
        self.products[sku].on_hand += quantity

    def end(self, held: Reservation, act: StockAction) -> None:
        for reservation in apply_action([held], act):
            self.reservations[reservation.order_id] = reservation
            self.move(act, reservation.lines)

    def move(self, act: StockAction, lines: tuple[Line, ...]) -> None:
        effect = EFFECTS[act]
        for sku, quantity in quantities(lines).items():
            counts = self.products[sku]
            counts.on_hand += quantity * effect.on_hand
            counts.reserved += quantity * effect.reserved
            counts.sold += quantity * effect.sold

    @invariant()
    def stock_is_conserved(self) -> None:
        for counts in self.products.values():
            assert counts.initial + counts.replenished == counts.on_hand + counts.sold
            assert 0 <= counts.reserved <= counts.on_hand

    @invariant()
    def what_is_reserved_and_sold_is_what_orders_hold(self) -> None:
        for sku, counts in self.products.items():
            assert counts.reserved == self.held(sku, State.RESERVED)
            assert counts.sold == self.held(sku, State.COMMITTED)

    def held(self, sku: str, state: State) -> int:
        lines = [line for held in self.reservations.values() if held.state is state for line in held.lines]
        return quantities(lines).get(sku, 0)


TestStock = Stock.TestCase
TestStock.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
