"""Events between services. This package does no input or output, and creates no spans.

A service declares each event that it publishes as a `PublishedEvent`. For each event that it reads it declares the
fields that it needs as a `ConsumedEvent`. On the wire an event is a CloudEvent in Kafka's binary mode (`encode`,
`decode`), and its data is JSON (`read_data`). A handler gets a `Batch` of `Envelope`s, in which each key occurs at
most once. A `WholeBatch` handler of the inbox may get a key several times. A handler passes `envelope.cause` to
`tx.publish`. `envelope.cause.event_id` is the same as `envelope.id`: it names this event, and not the event that caused
it.
"""

from chassis.events.envelope import (
    Batch,
    Cause,
    Envelope,
    Headers,
    RawMessage,
    Time,
    Undecodable,
    decode,
    encode,
)
from chassis.events.model import ConsumedEvent, ConsumedPart, PublishedEvent, new_id, read_data
from chassis.events.money import CURRENCIES, MAX_AMOUNT_MINOR, Currency, Money, format_amount

__all__ = [
    "CURRENCIES",
    "MAX_AMOUNT_MINOR",
    "Batch",
    "Cause",
    "ConsumedEvent",
    "ConsumedPart",
    "Currency",
    "Envelope",
    "Headers",
    "Money",
    "PublishedEvent",
    "RawMessage",
    "Time",
    "Undecodable",
    "decode",
    "encode",
    "format_amount",
    "new_id",
    "read_data",
]
