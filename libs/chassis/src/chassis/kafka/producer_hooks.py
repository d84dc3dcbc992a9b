"""Hooks at the start and the end of a producer. The defaults do what aiokafka does."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer


def leave_as_is(producer: AIOKafkaProducer, may_send: Callable[[], bool]) -> None:
    """A producer that was created stays as it is."""


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Stop it as aiokafka does: it sends first what it has."""
    await producer.stop()


@dataclass(frozen=True, slots=True)
class ProducerHooks:
    """`created` is called before the producer connects, with a function that says whether it may send records.

    `stop` is awaited when the producer is not used any more.
    """

    created: Callable[[AIOKafkaProducer, Callable[[], bool]], None] = leave_as_is
    stop: Callable[[AIOKafkaProducer], Awaitable[None]] = stop_producer
