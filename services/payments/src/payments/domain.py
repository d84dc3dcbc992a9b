"""The states of a payment, and the change of state by each fact. Imports only the standard library.

A fact is an event of another service, or a step of this service (a claim, an answer of the processor, a time limit).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID, uuid5

CARD_PROCESSOR = "card-processor"
"""The name of the outside system in logs and metrics."""


class State(StrEnum):
    """The state of an order's payment."""

    AWAITING = "AWAITING"  # the stock is reserved; the amount is not known yet
    OPENED = "OPENED"  # amount and token are known; the stock is not reserved yet
    DUE = "DUE"  # amount, token and reserved stock are known; the processor was never called
    CAPTURING = "CAPTURING"  # the processor was called: a charge may exist
    CANCELLING = "CANCELLING"  # cancelled while CAPTURING: repeat the call to learn its result, then refund
    CAPTURED = "CAPTURED"
    DECLINED = "DECLINED"
    VOIDED = "VOIDED"  # no charge exists or will be made; also the tombstone of an unknown order
    REFUNDED = "REFUNDED"


class RefundState(StrEnum):
    """The state of a refund. PENDING is a durable intent: a job calls the processor until it answers."""

    PENDING = "PENDING"
    REFUNDED = "REFUNDED"


class Fact(StrEnum):
    """A fact that changes a payment."""

    ORDER_PLACED = "ORDER_PLACED"
    STOCK_RESERVED = "STOCK_RESERVED"
    ORDER_CANCELLED = "ORDER_CANCELLED"
    CLAIMED = "CLAIMED"  # a process is about to call the processor
    CHARGED = "CHARGED"
    DECLINED = "DECLINED"
    REFUNDED = "REFUNDED"
    ABANDONED = "ABANDONED"  # order-placed or stock-reserved has not arrived long after it was due


FIRST: Mapping[Fact, State] = {
    Fact.ORDER_PLACED: State.OPENED,
    Fact.STOCK_RESERVED: State.AWAITING,
    Fact.ORDER_CANCELLED: State.VOIDED,
}
"""Fact → the first state of a payment, if this is the first fact about its order."""

TRANSITIONS: Mapping[Fact, Mapping[State, State]] = {
    Fact.ORDER_PLACED: {State.AWAITING: State.DUE},
    Fact.STOCK_RESERVED: {State.OPENED: State.DUE},
    Fact.ORDER_CANCELLED: {
        State.AWAITING: State.VOIDED,
        State.OPENED: State.VOIDED,
        State.DUE: State.VOIDED,
        # In CAPTURING a charge may exist, even if each call failed. Only the processor knows the result.
        State.CAPTURING: State.CANCELLING,
        State.CAPTURED: State.CAPTURED,  # with a refund, after which the payment is REFUNDED
    },
    Fact.CLAIMED: {
        State.DUE: State.CAPTURING,
        State.CAPTURING: State.CAPTURING,
        State.CANCELLING: State.CANCELLING,
    },
    Fact.CHARGED: {State.CAPTURING: State.CAPTURED, State.CANCELLING: State.CAPTURED},
    Fact.DECLINED: {State.CAPTURING: State.DECLINED, State.CANCELLING: State.DECLINED},
    Fact.REFUNDED: {State.CAPTURED: State.REFUNDED},
    Fact.ABANDONED: {State.AWAITING: State.VOIDED, State.OPENED: State.VOIDED},
}
"""Fact → state → next state. A fact that is not listed for a state arrived late or again, and changes nothing."""

CLAIMABLE = frozenset(TRANSITIONS[Fact.CLAIMED])
NEEDS_TOKEN = CLAIMABLE | {State.OPENED}


class Reason(StrEnum):
    """The processor's reason for a declined charge."""

    DECLINED = "declined"
    UNKNOWN_TOKEN = "unknown_token"


NOT_RECORDED = "not_recorded"
"""The reason in a refund event if a release before 0.2.0 recorded the cancellation. Those stored no reason."""


def payment_id_of(order_id: UUID) -> UUID:
    """The id of an order's payment, and its key at the processor.

    It follows from the order. So a database that was restored to a time before the payment asks for the same charge
    again, and the processor answers with the one that it has made.
    """
    return uuid5(order_id, "payment")


class UnknownPayment(Exception):
    """There is no payment for this order: no event about it has arrived."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"There is no payment of order {order_id}.")
        self.order_id = str(order_id)


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge to make, in minor units of an ISO 4217 currency. `payment_id` is the idempotency key."""

    order_id: UUID
    payment_id: UUID
    amount_minor: int
    currency: str
    token: str = field(repr=False)
    attempts: int  # including this one
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund to make. `refund_id` is the idempotency key, `charge_id` is the processor's id of the charge."""

    order_id: UUID
    refund_id: UUID
    charge_id: str
    amount_minor: int
    currency: str
    attempts: int  # including this one
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Charged:
    """The processor made the charge. `charge_id` is the processor's id of the charge."""

    charge_id: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The processor declined the card."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Refunded:
    """The processor made the refund."""
