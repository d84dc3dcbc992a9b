"""A producer stops without sending its buffered records.

What it does: fails all batches of aiokafka's private accumulator, then stops the producer.
Why: aiokafka sends all buffered records before it stops. While a topic has no leader that never ends. So the producer's
tasks and connections stay for ever, and each new try adds others.
What it saves: no CPU; it guards against that leak.
Waits for: aiokafka to offer a stop without a flush, or to give up batches in an idempotent producer. Seen with
aiokafka 0.14.
"""

from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerClosed


async def stop_without_flush(producer: AIOKafkaProducer) -> None:
    """Stop the producer; deliveries that are under way fail with ProducerClosed."""
    producer._message_accumulator.fail_all(ProducerClosed())
    await producer.stop()
