"""The rules of an order: states, transitions, prices. Imports only the standard library."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

MAX_LINES = 100
MAX_QUANTITY = 10_000
MAX_TOTAL_MINOR = 10**18
"""The largest possible total: 100 lines × 10,000 pieces × 10¹² minor units (inventory's highest price)."""


class OrderState(StrEnum):
    """The state of an order. Only a PENDING order can change: its outcome is still open (a semantic lock)."""

    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"


TRANSITIONS: Mapping[OrderState, frozenset[OrderState]] = {
    OrderState.PENDING: frozenset({OrderState.CONFIRMED, OrderState.REJECTED, OrderState.CANCELLED}),
    OrderState.CONFIRMED: frozenset(),
    OrderState.REJECTED: frozenset(),
    OrderState.CANCELLED: frozenset(),
}
TERMINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)


class RejectionReason(StrEnum):
    """The reason why the shop rejected an order."""

    OUT_OF_STOCK = "out_of_stock"
    PAYMENT_DECLINED = "payment_declined"


class CancellationReason(StrEnum):
    """Why an order was cancelled.

    UNKNOWN_ORDER: a payment event names an order that is not in the database (see `handlers._cancel_missing_orders`).
    """

    CUSTOMER = "customer"
    DEADLINE = "deadline"
    UNKNOWN_ORDER = "unknown_order"


class OrderError(Exception):
    """A request is refused: it breaks a rule for orders, or the price list is missing.

    The attributes of the error become fields of the JSON answer.
    """


class EmptyOrder(OrderError):
    def __init__(self) -> None:
        super().__init__("An order needs at least one line.")


class TooManyLines(OrderError):
    def __init__(self, lines: int) -> None:
        super().__init__(f"An order has at most {MAX_LINES} lines; this one has {lines}.")
        self.lines = lines
        self.limit = MAX_LINES


class InvalidQuantity(OrderError):
    def __init__(self, sku: str) -> None:
        super().__init__(f"The quantity of {sku} must be from 1 to {MAX_QUANTITY}.")
        self.sku = sku
        self.limit = MAX_QUANTITY


class DuplicateSku(OrderError):
    def __init__(self, sku: str) -> None:
        super().__init__(f"{sku} is on more than one line; put its whole quantity on one.")
        self.sku = sku


class PriceListMissing(OrderError):
    def __init__(self) -> None:
        super().__init__("The price list has not arrived yet, so nothing can be priced. Try again shortly.")


class UnknownSku(OrderError):
    def __init__(self, skus: Sequence[str]) -> None:
        super().__init__(f"The price list does not know {', '.join(skus)}.")
        self.skus = list(skus)


class CurrencyNotOffered(OrderError):
    def __init__(self, currency: str, skus: Sequence[str]) -> None:
        super().__init__(f"The price list has no price in {currency} for {', '.join(skus)}.")
        self.currency = currency
        self.skus = list(skus)


class TotalTooLarge(OrderError):
    def __init__(self) -> None:
        super().__init__(f"The total of this order is more than {MAX_TOTAL_MINOR} minor units.")


class TooManyPendingOrders(OrderError):
    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} orders of this customer are PENDING. Another is accepted after one of them has ended."
        )
        self.limit = limit


class UnknownOrder(OrderError):
    def __init__(self, order_id: str) -> None:
        super().__init__(f"There is no order {order_id}.")
        self.order_id = order_id


class CaptureMismatch(Exception):
    """The payments service captured another amount than the order's total.

    The event becomes a dead letter. The order is cancelled at its deadline, and the payments service makes a refund.
    """

    def __init__(self, order_id: str) -> None:
        super().__init__(f"The captured amount of order {order_id} is not its total.")
        self.order_id = order_id


class OrderAlreadyEnded(OrderError):
    def __init__(self, order_id: str, state: OrderState) -> None:
        super().__init__(f"Order {order_id} has already ended: it is {state}.")
        self.order_id = order_id
        self.state = state.value


@dataclass(frozen=True, slots=True)
class Item:
    """A product and the quantity that the customer asks for."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one piece, in minor units of an ISO 4217 currency."""

    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Line:
    """An item with the price of one piece, in minor units of the basket's currency."""

    sku: str
    quantity: int
    unit_price_minor: int


@dataclass(frozen=True, slots=True)
class Basket:
    """Priced lines in one currency, and their total in minor units."""

    lines: tuple[Line, ...]
    currency: str
    total_minor: int


def check_items(items: Sequence[Item]) -> None:
    """Check the rules that need no price list, so that an invalid order is refused without a database query.

    Raises EmptyOrder, TooManyLines, InvalidQuantity, DuplicateSku.
    """
    if not items:
        raise EmptyOrder
    if len(items) > MAX_LINES:
        raise TooManyLines(len(items))
    seen: set[str] = set()
    for item in items:
        if not 1 <= item.quantity <= MAX_QUANTITY:
            raise InvalidQuantity(item.sku)
        if item.sku in seen:
            raise DuplicateSku(item.sku)
        seen.add(item.sku)


def price_items(items: Sequence[Item], currency: str, price_list: Mapping[str, Price]) -> Basket:
    """Price `items` by `price_list`, which may be limited to their SKUs.

    Raises UnknownSku, CurrencyNotOffered, TotalTooLarge.
    """
    if unknown := [item.sku for item in items if item.sku not in price_list]:
        raise UnknownSku(unknown)
    if foreign := [item.sku for item in items if price_list[item.sku].currency != currency]:
        raise CurrencyNotOffered(currency, foreign)
    lines = tuple(Line(item.sku, item.quantity, price_list[item.sku].amount_minor) for item in items)
    total_minor = sum(line.quantity * line.unit_price_minor for line in lines)
    if total_minor > MAX_TOTAL_MINOR:
        raise TotalTooLarge
    return Basket(lines, currency, total_minor)


def check_pending(pending: int, limit: int) -> None:
    """Raise `TooManyPendingOrders` if a customer has `limit` PENDING orders or more."""
    if pending >= limit:
        raise TooManyPendingOrders(limit)


def check_transition(order_id: str, state: OrderState, to: OrderState) -> None:
    """Raise `OrderAlreadyEnded` unless an order in `state` may change to `to`."""
    if to not in TRANSITIONS[state]:
        raise OrderAlreadyEnded(order_id, state)
