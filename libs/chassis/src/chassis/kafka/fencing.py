"""A producer that stops sending at once.

aiokafka keeps what it was given and tries again for ever, also while it is being stopped. A relay that has lost its
lease must send nothing more, and its records may be in the client's hands. So the client is asked at the last moment,
before each request, whether it may still send.
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
