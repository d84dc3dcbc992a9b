"""`Idempotency-Key` on POST: the first answer is kept in the transaction that earned it, and repeated ever after."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Header
from fastapi.encoders import jsonable_encoder
from sqlalchemy import text

from chassis.database import Transaction, Unavailable
from chassis.problems import Problem

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Repeat a request with the same key, and it has no second effect: you get the first answer again.",
    ),
]


JsonObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stored:
    """The answer that a key got the first time."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]


async def replay(tx: Transaction, key: str | None, request: object) -> Stored | None:
    """Claim a key for this transaction, or find the answer that it got before.

    Two requests with one key at once: the second waits here until the first has committed, then gets its answer.
    Raises Problem 422 `idempotency-key-reused` if the key came with another request before.
    """
    if key is None:
        return None
    request_hash = _hash(request)
    claimed = await tx.connection.row(_CLAIM, {"key": key, "hash": request_hash})
    if claimed is not None:
        return None
    found = await tx.connection.row(_FIND, {"key": key})
    if found is None:
        raise Unavailable("the request that held this idempotency key was undone just now")
    if found["request_hash"] != request_hash:
        cure = "Use a new key for a new request; repeat a request with exactly the same body."
        title = "This Idempotency-Key was used for another request"
        raise Problem(422, "idempotency-key-reused", title, cure)
    return Stored(found["status"], found["body"], found["headers"])


def remember(
    tx: Transaction, key: str | None, status: int, body: JsonObject, headers: JsonObject | None = None
) -> None:
    """Keep the answer for a key that `replay` claimed, when the transaction commits."""
    if key is not None:
        answer = {"body": json.dumps(jsonable_encoder(body)), "headers": json.dumps(dict(headers or {}))}
        tx.answer = {"answered_key": key, "status": status, **answer}


def _hash(request: object) -> bytes:
    canonical = json.dumps(jsonable_encoder(request), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).digest()


_CLAIM = text(
    "INSERT INTO idempotency_keys (key, request_hash) VALUES (:key, :hash) ON CONFLICT DO NOTHING RETURNING key"
)
_FIND = text("SELECT request_hash, status, body, headers FROM idempotency_keys WHERE key = :key")
