"""Asks at a fixed interval whether Kafka answers, because aiokafka's polls return no error while no broker answers."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from chassis.errors import KAFKA
from chassis.kafka.refusals import Login, login_refusal, new_login
from chassis.observability.outages import OUTAGES
from chassis.observability.status import OK, TaskStatus

log = structlog.get_logger()

CHECK_SECONDS = 4.0
"""Seconds between two requests. It is also the time limit for each answer."""
MAX_UNANSWERED = 5
"""After this number of requests in a row that only this client gets no answer to, the client must be replaced.

They take about 40 s. aiokafka itself closes a connection whose answer is 20 s late, and opens a new one.
"""


class BrokerWatch:
    """Watches one client. Updates the consumer's status and the outage of Kafka.

    A client that has been connected keeps trying after its login was refused, and raises nothing. And a client may
    wait for ever after its connections were disturbed, while its polls go on and return no records. So, if a request
    gets no answer, the watch connects once more with `kafka`, which is `ServiceSettings.kafka`: the broker refuses the
    login, or does not answer, or answers new connections and not the client.
    """

    def __init__(
        self, client: AIOKafkaConsumer, status: TaskStatus, kafka: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        self._client = client
        self._status = status
        self._kafka = kafka
        self._unanswered = 0

    @property
    def is_stuck(self) -> bool:
        """Whether the broker answers new connections, and not the client, so that the client must be replaced."""
        return self._unanswered >= MAX_UNANSWERED

    async def run(self) -> None:
        """Ask until cancelled."""
        is_away = False
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._ask()
            except (KafkaError, OSError, TimeoutError) as error:
                is_away = True
                await self._find_out_why(error)
                continue
            self._unanswered = 0
            OUTAGES.answered(KAFKA)
            if is_away:
                is_away = False
                self._status.set(OK)

    async def _find_out_why(self, error: Exception) -> None:
        login = await new_login(self._kafka)
        self._unanswered = self._unanswered + 1 if login is Login.ACCEPTED else 0
        refused = login_refusal(self._kafka) if login is Login.REFUSED else None
        OUTAGES.failed(KAFKA, "consumer", refused or error)
        self._status.set(f"waits for kafka: {refused or type(error).__name__}")
        if self.is_stuck:
            log.error("consumer.client_stuck", unanswered=self._unanswered, error=repr(error))

    async def _ask(self) -> None:
        """Ask for the end of one partition, which is a small request, or for the topics if there is no partition."""
        partition = next(iter(self._client.assignment()), None)
        if partition is None:
            await self._client.topics()
        else:
            await self._client.end_offsets([partition])
