"""The card processor in the process of the simulation: the real client and the real ledger, without HTTP."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping

from payments.processor import Processor, ProcessorUnavailable
from processor import cards
from processor.ledger import SCHEMA
from shop_oracle.evidence import Movement
from shop_simulate.choices import Answering


class SimulatedProcessor(Processor):
    """The client of payments, which calls the sandbox processor's functions directly."""

    def __init__(self) -> None:
        super().__init__("http://processor.invalid", "key", 1.0, connections=1)
        self.answering = Answering.ANSWERS
        self._ledger = sqlite3.connect(":memory:", isolation_level=None)
        self._ledger.executescript(SCHEMA)

    def reset(self) -> None:
        """Forget all charges and refunds."""
        self.answering = Answering.ANSWERS
        self._ledger.executescript("DELETE FROM entries; DELETE FROM requests; DELETE FROM used_tokens")

    def movements(self) -> list[Movement]:
        """The ledger, as the oracle reads it."""
        columns = "kind, charge_id, reference, amount_minor, currency"
        return [
            Movement(*row) for row in self._ledger.execute(f"SELECT {columns} FROM entries ORDER BY entry_id")
        ]

    async def _post(
        self, path: str, what: str, body: Mapping[str, object], key: str, traceparent: str | None
    ) -> tuple[int, bytes]:
        if self.answering is Answering.REFUSES:
            raise ProcessorUnavailable("the simulated processor is unavailable")
        answer = self._do(path, body, key)
        if self.answering is Answering.LOSES:
            raise ProcessorUnavailable("the answer of the simulated processor is lost")
        return answer

    def _do(self, path: str, body: Mapping[str, object], key: str) -> tuple[int, bytes]:
        amount, currency = int(str(body["amount_minor"])), str(body["currency"])
        try:
            if path == "/charges":
                token, reference = str(body["token"]), str(body["reference"])
                answer = cards.charge(self._ledger, key, token, amount, currency, reference)
            else:
                answer = cards.refund(self._ledger, key, path.split("/")[2], amount, currency)
        except cards.Refused as error:
            problem = {"type": f"urn:shopfloor:problem:{error.slug}"}
            return error.status, json.dumps(problem).encode()
        return answer.status, json.dumps(answer.body).encode()
