"""The requests of an HTTP client and the answers that it got. Only they prove that an order was acknowledged.

A history is a JSONL file per run. One line is written before a request is sent, and one when its answer arrives. If
the client is killed in between, the request has no answer in the file: it may have had an effect or not.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Self, TextIO


@dataclass(slots=True)
class Request:
    """One attempt over HTTP. A repetition is a request of its own with the same key."""

    run: str
    number: int
    operation: str
    """``place-order``, ``cancel-order``, ``list-product`` or ``replenish``."""
    key: str
    """The Idempotency-Key; empty where none was sent."""
    subject: str
    """The order id of a cancellation, the SKU of a product; empty for other operations."""
    scenario: str
    quantity: int
    """Units of stock, for ``list-product`` and ``replenish``."""
    asked_at: float
    """Seconds since the epoch, by the client's clock."""
    status: int | None = None
    """HTTP status; None if no answer came."""
    order_id: str = ""
    """The order in the answer to ``place-order``."""
    answered_at: float | None = None
    customer: str = ""
    """The pseudonym of the customer of ``place-order``. The idempotency key belongs to this customer."""


class History:
    """Writes the history of one run. The file is created with the first request."""

    def __init__(self, folder: Path, run: str) -> None:
        self.run = run
        self._folder = folder
        self._numbers = count(1)
        self._file: TextIO | None = None

    def asked(
        self,
        operation: str,
        *,
        key: str = "",
        customer: str = "",
        subject: str = "",
        scenario: str = "",
        quantity: int = 0,
    ) -> int:
        """Note that a request is about to be sent. Returns its number, for `answered`.

        `customer` is a login name. The file has a pseudonym of it.
        """
        number = next(self._numbers)
        self._write(
            number=number,
            asked=operation,
            key=key,
            customer=pseudonym(self.run, customer) if customer else "",
            subject=subject,
            scenario=scenario,
            quantity=quantity,
        )
        return number

    def answered(self, number: int, status: int, order_id: str = "") -> None:
        """Note the answer to a request. Do not call it if the connection broke: the outcome is unknown then."""
        self._write(number=number, status=status, order_id=order_id)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _write(self, **fields: Any) -> None:
        line = {name: value for name, value in fields.items() if value not in ("", 0)}
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = (self._folder / f"{self.run}.jsonl").open("a", buffering=1)
        self._file.write(json.dumps({"at": round(time.time(), 6), **line}, separators=(",", ":")) + "\n")


def pseudonym(run: str, customer: str) -> str:
    """A customer of a run, without the login name: two customers of the run have different ones."""
    return hashlib.blake2b(customer.encode(), key=run.encode()[:64], digest_size=8).hexdigest()


def read_histories(folder: Path) -> list[Request]:
    """Every request of every run in a folder, oldest run first; [] if there is none."""
    files = sorted(folder.glob("*.jsonl"), key=lambda file: file.stat().st_mtime)
    return [
        request
        for file in files
        for request in read_history(file.stem, file.read_text(errors="replace").splitlines())
    ]


def read_history(run: str, lines: Iterable[str]) -> list[Request]:
    """The requests of one run. Incomplete lines of a killed client are skipped."""
    requests: dict[int, Request] = {}
    for line in lines:
        fields = fields_of(line)
        number = fields.get("number", 0)
        if "asked" in fields:
            requests[number] = Request(
                run=run,
                number=number,
                operation=fields["asked"],
                key=fields.get("key", ""),
                subject=fields.get("subject", ""),
                scenario=fields.get("scenario", ""),
                quantity=fields.get("quantity", 0),
                asked_at=fields["at"],
                customer=fields.get("customer", ""),
            )
        elif number in requests:
            request = requests[number]
            request.status, request.answered_at = fields["status"], fields["at"]
            request.order_id = fields.get("order_id", "")
    return list(requests.values())


def fields_of(line: str) -> dict[str, Any]:
    """The fields of a line; {} if History did not write it, or not completely."""
    try:
        fields = json.loads(line)
    except ValueError:
        return {}
    whole = (
        isinstance(fields, dict)
        and {"at", "number"} <= fields.keys()
        and ("asked" in fields or "status" in fields)
    )
    return fields if whole else {}
