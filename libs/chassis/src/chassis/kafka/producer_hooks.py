"""Hooks at the start and the end of a producer. The defaults do what aiokafka does."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer


def leave_as_is(producer: AIOKafkaProducer, may_send: Callable[[], bool]) -> None:
    """Change nothing."""


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Stop a producer as aiokafka does: it sends its buffered records first."""
    await producer.stop()


@dataclass(frozen=True, slots=True)
class ProducerHooks:
    """`created` is called before the producer connects, and gets a function that returns whether the producer may send.

    `stop` is awaited when the producer is not used any more.
    """

    created: Callable[[AIOKafkaProducer, Callable[[], bool]], None] = leave_as_is
    stop: Callable[[AIOKafkaProducer], Awaitable[None]] = stop_producer
