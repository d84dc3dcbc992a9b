"""A producer does not send its buffered records once its process may not send any more.

Kind: guard. Works around aiokafka.
What it does: replaces `send` of the producer's client, which the producer calls for each request. Each produce request
is sent only while `may_send()`.
Why: aiokafka keeps the records that it accepted and tries again for ever, even while it is being stopped. A process
that was frozen would send them when it runs again, after another relay has acquired its shards (docs/decisions/0021).
Without it: the lease is checked before each page only, so a page that was being sent may arrive late. Readers drop its
events as duplicates, except an event that an operator has given up meanwhile: that event arrives.
Can be removed when: an idempotent producer of aiokafka discards records after a time, or asks before it sends them.
Observed with aiokafka 0.14.
Tested by: test_rows_of_a_cancelled_call_are_not_sent_later.
"""

from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.protocol.produce import ProduceRequest


class Fenced(KafkaError):  # type: ignore[misc]
    """The records were not sent, because this process may not send any more."""

    retriable = False


def fence_requests(producer: AIOKafkaProducer, may_send: Callable[[], bool]) -> None:
    """From now on the producer sends records only while `may_send()`; otherwise their delivery fails with Fenced."""
    client: Any = producer.client
    send = client.send

    async def send_if_allowed(node_id: object, request: object, **options: object) -> object:
        if isinstance(request, ProduceRequest) and not may_send():
            raise Fenced("this process may not send any more")
        return await send(node_id, request, **options)

    client.send = send_if_allowed
