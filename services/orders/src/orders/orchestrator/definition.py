"""The saga that brings an order to its end: the one definition of its steps.

The subscriptions, the rules and the page docs/sagas/place-order-orchestrated.md are made from it. To change the saga,
change it here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from chassis.events import ConsumedEvent, PublishedEvent
from chassis.inbox import Handler
from orders import handlers
from orders.events import PaymentCaptured, PaymentDeclined, StockRejected
from orders.orchestrator.commands import (
    AnnounceCancellation,
    AnnounceConfirmation,
    AnnounceRefund,
    AnnounceRejection,
    CancelPayment,
    ChargePayment,
    CommitStock,
    ReleaseStock,
    ReserveStock,
)
from orders.orchestrator.messages import (
    InventoryDone,
    NotificationsDone,
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    OrderRejected,
    PaymentRefunded,
    PaymentsDone,
    StockReserved,
)

LONGEST_TIMES = 32
"""The pause before a command is sent again doubles, up to this many times its timeout."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An event that answers a command.

    `use_case` is what orders itself does about it, in the same transaction. It ends a PENDING order, and publishes
    `ends`.
    """

    event: type[ConsumedEvent]
    use_case: Handler | None = None
    ends: type[ConsumedEvent] | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A command, and the event that says that it was carried out.

    If the answer has not come `timeout` seconds after the command, the command is sent again.
    """

    command: type[PublishedEvent]
    done: Reply
    timeout: float

    @property
    def participant(self) -> str:
        """The service that gets the command: the topic `orders.inventory-command.v1` is for inventory."""
        return self.command.topic.split(".")[1].removesuffix("-command")


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a PENDING order: a call that may fail, and the call that undoes it."""

    call: Call
    failed: Reply
    compensation: Call


@dataclass(frozen=True, slots=True)
class Ending:
    """An event that ends the order. If it `compensates`, the steps are undone in reverse order. `then` follows."""

    event: type[ConsumedEvent]
    compensates: bool
    then: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """A saga. `steps` are carried out one after the other, each when the one before it has succeeded."""

    starts: type[ConsumedEvent]
    steps: tuple[Step, ...]
    endings: tuple[Ending, ...]
    refunded: tuple[type[ConsumedEvent], Call]
    """An event that may come after the end, and the call that follows."""

    def calls(self) -> Iterator[Call]:
        """All calls: those of the steps, their compensations, and those after the end."""
        for step in self.steps:
            yield step.call
        for step in reversed(self.steps):
            yield step.compensation
        for ending in self.endings:
            yield from ending.then
        yield self.refunded[1]

    def call_of(self, type_: str) -> Call:
        """The call of a command, by its type."""
        return next(call for call in self.calls() if call.command.event_type == type_)

    def step_of(self, type_: str) -> Step | None:
        """The step whose command has this type; None for any other command."""
        return next((step for step in self.steps if step.call.command.event_type == type_), None)


ANNOUNCE_TIMEOUT = 300.0
"""notifications is not on the way of an order, and may be away for longer."""

PLACE_ORDER = Definition(
    starts=OrderPlaced,
    steps=(
        Step(
            call=Call(ReserveStock, done=Reply(StockReserved), timeout=30),
            failed=Reply(StockRejected, handlers.reject_unstocked_order, ends=OrderRejected),
            compensation=Call(ReleaseStock, done=Reply(InventoryDone), timeout=60),
        ),
        Step(
            call=Call(
                ChargePayment,
                done=Reply(PaymentCaptured, handlers.confirm_order, ends=OrderConfirmed),
                timeout=30,
            ),
            failed=Reply(PaymentDeclined, handlers.reject_unpaid_order, ends=OrderRejected),
            compensation=Call(CancelPayment, done=Reply(PaymentsDone), timeout=60),
        ),
    ),
    endings=(
        Ending(
            OrderConfirmed,
            compensates=False,
            then=(
                Call(CommitStock, done=Reply(InventoryDone), timeout=60),
                Call(AnnounceConfirmation, done=Reply(NotificationsDone), timeout=ANNOUNCE_TIMEOUT),
            ),
        ),
        Ending(
            OrderRejected,
            compensates=True,
            then=(Call(AnnounceRejection, done=Reply(NotificationsDone), timeout=ANNOUNCE_TIMEOUT),),
        ),
        Ending(
            OrderCancelled,
            compensates=True,
            then=(Call(AnnounceCancellation, done=Reply(NotificationsDone), timeout=ANNOUNCE_TIMEOUT),),
        ),
    ),
    refunded=(
        PaymentRefunded,
        Call(AnnounceRefund, done=Reply(NotificationsDone), timeout=ANNOUNCE_TIMEOUT),
    ),
)
