"""What a payment is and what each fact makes of it. Pure: the standard library only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID


class State(StrEnum):
    """Where the payment of an order stands."""

    AWAITING = "AWAITING"  # the stock is reserved; what to charge has not arrived yet
    OPENED = "OPENED"  # amount and token are known; the stock is not reserved yet
    DUE = "DUE"  # both facts are in. The processor was never asked
    CAPTURING = "CAPTURING"  # the processor was asked: a charge may exist, known or not
    CANCELLING = "CANCELLING"  # cancelled while CAPTURING: find out, then give back
    CAPTURED = "CAPTURED"
    DECLINED = "DECLINED"
    VOIDED = "VOIDED"  # will never be charged, and never was; also the tombstone of an order not yet heard of
    REFUNDED = "REFUNDED"


class RefundState(StrEnum):
    """PENDING is a durable intent: the processor is asked until it answers."""

    PENDING = "PENDING"
    REFUNDED = "REFUNDED"


class Fact(StrEnum):
    """What can become known about a payment."""

    ORDER_PLACED = "ORDER_PLACED"
    STOCK_RESERVED = "STOCK_RESERVED"
    ORDER_CANCELLED = "ORDER_CANCELLED"
    CLAIMED = "CLAIMED"  # a process is about to ask the processor
    CHARGED = "CHARGED"
    REFUSED = "REFUSED"
    GIVEN_BACK = "GIVEN_BACK"
    FORGOTTEN = "FORGOTTEN"  # the order's deadline is long past and no stock was ever reserved


FIRST: Mapping[Fact, State] = {
    Fact.ORDER_PLACED: State.OPENED,
    Fact.STOCK_RESERVED: State.AWAITING,
    Fact.ORDER_CANCELLED: State.VOIDED,
}
"""What a payment starts as when this is the first that is heard of its order."""

TRANSITIONS: Mapping[Fact, Mapping[State, State]] = {
    Fact.ORDER_PLACED: {State.AWAITING: State.DUE},
    Fact.STOCK_RESERVED: {State.OPENED: State.DUE},
    Fact.ORDER_CANCELLED: {
        State.AWAITING: State.VOIDED,
        State.OPENED: State.VOIDED,
        State.DUE: State.VOIDED,
        # From here on a charge may exist, even if every answer so far was an error: the processor knows.
        State.CAPTURING: State.CANCELLING,
        State.CAPTURED: State.CAPTURED,  # with a refund, which takes it on to REFUNDED
    },
    Fact.CLAIMED: {
        State.DUE: State.CAPTURING,
        State.CAPTURING: State.CAPTURING,
        State.CANCELLING: State.CANCELLING,
    },
    Fact.CHARGED: {State.CAPTURING: State.CAPTURED, State.CANCELLING: State.CAPTURED},
    Fact.REFUSED: {State.CAPTURING: State.DECLINED, State.CANCELLING: State.DECLINED},
    Fact.GIVEN_BACK: {State.CAPTURED: State.REFUNDED},
    Fact.FORGOTTEN: {State.OPENED: State.VOIDED},
}
"""What each fact makes of each state. A fact not listed for a state is late or repeated: no change."""

CLAIMABLE = frozenset(TRANSITIONS[Fact.CLAIMED])
NEEDS_TOKEN = CLAIMABLE | {State.OPENED}


class Reason(StrEnum):
    """Why the processor refused a card."""

    DECLINED = "declined"
    UNKNOWN_TOKEN = "unknown_token"


class UnknownPayment(Exception):
    """No fact about this order has arrived."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"There is no payment of order {order_id}.")
        self.order_id = str(order_id)


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge to ask for: minor units of an ISO-4217 currency, `payment_id` is the idempotency key."""

    order_id: UUID
    payment_id: UUID
    amount_minor: int
    currency: str
    token: str = field(repr=False)
    attempts: int  # this one included
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund to ask for: `refund_id` is the idempotency key, `charge_id` the processor's own name."""

    order_id: UUID
    refund_id: UUID
    charge_id: str
    amount_minor: int
    currency: str
    attempts: int  # this one included
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Charged:
    """The processor took the money, under its own `charge_id`."""

    charge_id: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The processor refused the card."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Refunded:
    """The processor gave the money back."""
