"""A producer stops without sending its buffered records.

Kind: guard. Works around aiokafka.
What it does: fails all batches of aiokafka's private accumulator, then stops the producer. The rows of these records
stay in the outbox, and a relay sends them later.
Why: aiokafka sends all buffered records before it stops. While a topic has no leader that never ends.
Without it: the tasks and connections of such a producer stay for ever, and each new try adds others.
Can be removed when: aiokafka offers a stop without a flush, or an idempotent producer of it discards batches after a
time. Observed with aiokafka 0.14.
"""

from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerClosed


async def stop_without_flush(producer: AIOKafkaProducer) -> None:
    """Stop the producer. Deliveries that are in progress fail with ProducerClosed."""
    producer._message_accumulator.fail_all(ProducerClosed())
    await producer.stop()
