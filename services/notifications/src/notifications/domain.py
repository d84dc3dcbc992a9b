"""The texts to the customer, and the rules of sending. Imports only the standard library."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

LEASE_SECONDS = 20.0
"""The lease of a claimed notification.

After a crash, another job sends it when the lease has ended.
"""
SENDING_SECONDS = LEASE_SECONDS / 2
"""The longest time for one batch. It is shorter than the lease, so no other job has claimed the batch meanwhile."""

_REASONS = {
    "out_of_stock": "we do not have enough of what you ordered",
    "payment_declined": "your payment was declined",
    "customer": "you asked us to",
    "deadline": "it could not be completed in time",
}


class Kind(StrEnum):
    """The outcome that a notification is about."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


class State(StrEnum):
    """PENDING until a channel has taken the message (SENT) or has refused it for good (FAILED).

    SENT is final. A FAILED notification is sent again when an operator asks for it.
    """

    PENDING = "PENDING"
    SENT = "SENT"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Taken:
    """A channel took the letter."""

    channel: str


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The channel refused the letter permanently. `reason` is a slug without an address."""

    reason: str


Delivered = Taken | GivenUp
"""The end of a letter's delivery."""


class UnknownNotification(Exception):
    """No notification has this id."""

    def __init__(self, id: UUID) -> None:
        super().__init__(f"There is no notification {id}.")
        self.id = str(id)


class NotFailed(Exception):
    """The notification is not FAILED, so it cannot be retried."""

    def __init__(self, id: UUID) -> None:
        super().__init__(f"The notification {id} has not failed.")
        self.id = str(id)


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to one customer, about an amount as people write it (`12.99 EUR`).

    `attempts` counts the attempts, with the present one.
    """

    id: UUID
    order_id: UUID
    kind: Kind
    customer_id: str
    message_id: str
    amount: str
    reason: str | None
    created_at: datetime
    attempts: int

    @property
    def subject(self) -> str:
        """One line, the same at every attempt."""
        return f"Your order {self.order_id} is {self.kind}"

    @property
    def text(self) -> str:
        """The body, plain text."""
        return f"Hello,\n\n{_sentence(self)}\n\nOrder: {self.order_id}\n\nShopfloor\n"


def message_id(notification_id: UUID) -> str:
    """The Message-ID (RFC 5322) of a notification. It is the same at each attempt, so that mailboxes drop repetitions.

    With the name of the header it is shorter than 78 characters. Some mailboxes cannot read a folded Message-ID.
    """
    return f"<{notification_id}@shopfloor.example>"


def _sentence(letter: Letter) -> str:
    match letter.kind:
        case Kind.CONFIRMED:
            return f"your order is confirmed and paid: {letter.amount}."
        case Kind.REJECTED:
            return f"we could not accept your order{_because(letter.reason)}. You were not charged."
        case Kind.CANCELLED:
            return f"your order was cancelled{_because(letter.reason)}. Any charge for it goes back to you."
        case Kind.REFUNDED:
            return f"we have refunded {letter.amount} for your order."


def _because(reason: str | None) -> str:
    """The reason as part of a sentence, or nothing if this release does not know the reason."""
    known = _REASONS.get(reason or "")
    return f": {known}" if known else ""
