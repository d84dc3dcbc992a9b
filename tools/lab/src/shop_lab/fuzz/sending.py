"""Sends mutants at a rate. Those of one partition share a batch, as ordinary events do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from aiokafka.errors import KafkaError

from shop_lab.experiments.foreign_inputs.batches import Codec, RawProducer, batch_of
from shop_lab.experiments.foreign_inputs.input import Place
from shop_lab.fuzz.mutants import Contracts, Mutant, Spec, make
from shop_lab.fuzz.readers import Rules
from shop_lab.fuzz.sorting import Sent

PAGE = 50
"""Mutants that are sent at once."""


@dataclass(frozen=True)
class Sender:
    """Makes, judges and sends mutants."""

    contracts: Contracts
    rules: Rules
    producer: RawProducer

    async def send(self, specs: Iterable[Spec], rate: float, told: Callable[[int], None]) -> list[Sent]:
        """Send the mutants at `rate` per second (0: as fast as possible). `told` gets the number that was sent.

        Raises KafkaError if the broker is unavailable.
        """
        began = time.monotonic()
        sent: list[Sent] = []
        rest = iter(specs)
        while page := list(islice(rest, PAGE)):
            sent += await self._send_page([make(self.contracts, spec) for spec in page])
            told(len(sent))
            due = began + len(sent) / rate if rate else 0.0
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        return sent

    async def _send_page(self, mutants: Sequence[Mutant]) -> list[Sent]:
        alone = [one for one in mutants if _has_own_batch(one)]
        together: dict[tuple[str, int], list[Mutant]] = {}
        for one in mutants:
            if not _has_own_batch(one):
                together.setdefault(self._partition(one), []).append(one)
        pages = await asyncio.gather(
            *(self._send_together(at, group) for at, group in together.items()),
            *(self._send_alone(one) for one in alone),
        )
        return [one for page in pages for one in page]

    def _partition(self, mutant: Mutant) -> tuple[str, int]:
        topic = mutant.draft.topic.name
        return topic, self.producer.partition_of(topic, mutant.draft.key)

    async def _send_together(self, at: tuple[str, int], group: Sequence[Mutant]) -> list[Sent]:
        records = [record for one in group for record in one.draft.records]
        offset = await self._put(at, batch_of(records))
        if offset is None:  # one of them is the reason, such as one that is too large
            return [sent for one in group for sent in await self._send_alone(one)]
        found = []
        for one in group:
            found.append(self._sent(one, at, offset))
            offset += one.draft.copies
        return found

    async def _send_alone(self, mutant: Mutant) -> list[Sent]:
        at = self._partition(mutant)
        return [self._sent(mutant, at, await self._put(at, mutant.draft.batch))]

    async def _put(self, at: tuple[str, int], batch: bytes) -> int | None:
        """Send a batch. Returns its first offset; None if the broker refuses it."""
        try:
            return await self.producer.send(*at, batch)
        except KafkaError as error:
            if error.retriable:
                raise
            return None

    def _sent(self, mutant: Mutant, at: tuple[str, int], offset: int | None) -> Sent:
        numbers = () if offset is None else range(offset, offset + mutant.draft.copies)
        return Sent(
            _light(mutant), self.rules.judge(mutant.draft), [Place(*at, number) for number in numbers]
        )


def _light(mutant: Mutant) -> Mutant:
    """The mutant without its bytes, so that a run of many mutants needs little memory."""
    return replace(mutant, draft=replace(mutant.draft, value=None, headers=(), to_batch=None))


def _has_own_batch(mutant: Mutant) -> bool:
    return mutant.draft.to_batch is not None or mutant.draft.codec is not Codec.NONE
