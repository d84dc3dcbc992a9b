"""The texts to the customer, and the rules of sending. Imports only the standard library."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

LEASE_SECONDS = 20.0
"""The lease of a claimed notification. After a crash, another job sends the message when the lease has ended."""
SENDING_SECONDS = LEASE_SECONDS / 2
"""Time limit for sending one batch. It is shorter than the lease, so another job cannot claim the batch meanwhile."""

MOST_NAMED = 5
"""The largest number of products that a message names."""

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
    """The state of a notification. PENDING until a channel accepts the message (SENT) or refuses it for ever (FAILED).

    SENT is final. An operator can have a FAILED notification sent again.
    """

    PENDING = "PENDING"
    SENT = "SENT"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The channel with this name accepted the message."""

    channel: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The channel refused the message permanently. `reason` is a slug without an address."""

    reason: str


Outcome = Accepted | Rejected
"""The outcome of sending a message. A message that may be accepted later has none yet."""


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
class Message:
    """The message of a notification: one text to one customer. `amount` is formatted for people (`12.99 EUR`).

    `sold_out` are the SKUs for which an order was rejected, as far as they are known.
    `attempts` counts the attempts to send it, including the current one.
    """

    id: UUID
    order_id: UUID
    kind: Kind
    customer_id: str
    message_id: str
    amount: str
    reason: str | None
    sold_out: tuple[str, ...]
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
    """The Message-ID (RFC 5322) of a notification. It is the same at each attempt.

    Some mail programs hide a second message with the same Message-ID. With the name of the header it is shorter than 78
    characters, because some mail programs cannot read a folded Message-ID.
    """
    return f"<{notification_id}@shopfloor.example>"


def _sentence(message: Message) -> str:
    match message.kind:
        case Kind.CONFIRMED:
            return f"your order is confirmed and paid: {message.amount}."
        case Kind.REJECTED:
            why = _short_of(message.sold_out) or _because(message.reason)
            return f"we could not accept your order{why}. You were not charged."
        case Kind.CANCELLED:
            return f"your order was cancelled{_because(message.reason)}. Any charge for it goes back to you."
        case Kind.REFUNDED:
            return f"we have refunded {message.amount} for your order{_because(message.reason)}."


def _short_of(skus: tuple[str, ...]) -> str:
    """The products that are sold out as part of a sentence, or an empty text if there is none."""
    if not skus:
        return ""
    more = len(skus) - MOST_NAMED
    named = ", ".join(skus[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f": we do not have enough of {named}"


def _because(reason: str | None) -> str:
    """The reason as part of a sentence, or an empty text if this release does not know the reason."""
    known = _REASONS.get(reason or "")
    return f": {known}" if known else ""
