"""The messages of the orchestrated saga and their handlers, made from the definition; and the price list, as always."""

from chassis.events import ConsumedEvent
from chassis.inbox import Handler, Subscriptions
from orders import handlers
from orders.domain import CaptureMismatch
from orders.events import ProductListed, ProductPriced
from orders.orchestrator import steps
from orders.orchestrator.definition import PLACE_ORDER, Definition


def replies_of(saga: Definition) -> dict[type[ConsumedEvent], Handler]:
    """Answer → handler, for each call of the saga."""
    replies = [call.done for call in saga.calls()] + [step.failed for step in saga.steps]
    return {reply.event: steps.on_reply(reply) for reply in replies}


def handlers_of(saga: Definition) -> dict[type[ConsumedEvent], Handler]:
    """Message → handler, for the whole saga."""
    return {
        saga.starts: steps.begin,
        **replies_of(saga),
        **{ending.event: steps.on_ending(ending) for ending in saga.endings},
        saga.refunded[0]: steps.announce_refund,
    }


def after_the_end(saga: Definition) -> tuple[type[ConsumedEvent], ...]:
    """The messages of which no customer waits for an order: those that come when it has ended, and what ends it."""
    of_steps = {step.call.done.event for step in saga.steps} | {step.failed.event for step in saga.steps}
    return tuple(event for event in handlers_of(saga) if event not in of_steps and event is not saga.starts)


ORCHESTRATED = Subscriptions(
    {
        ProductListed: handlers.add_listed_product,
        ProductPriced: handlers.update_price,
        **handlers_of(PLACE_ORDER),
    },
    deferrable=after_the_end(PLACE_ORDER),
    # These events change no order. Any other type on these topics is unknown, and becomes a dead letter.
    ignored={
        "inventory.reservation.v1": ("inventory.stock-committed.v1", "inventory.stock-released.v1"),
        "payments.payment.v1": ("payments.payment-refunded.v1",),
    },
    # The amount of a captured payment never changes.
    not_retried=(CaptureMismatch,),
)
