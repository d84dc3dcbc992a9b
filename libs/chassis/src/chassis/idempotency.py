"""`Idempotency-Key` on POST: the first answer is kept in the transaction that earned it, and repeated ever after."""

import hashlib
import json
from typing import Annotated, Any

from fastapi import Header
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse

from chassis import sql
from chassis.database import Transaction
from chassis.problems import Problem

PROMISE = "Repeat a request with the same key, and it has no second effect: you get the first answer again."
_HEADER = Header(alias="Idempotency-Key", min_length=1, max_length=255, description=PROMISE)
IdempotencyKey = Annotated[str | None, _HEADER]


async def replay(tx: Transaction, key: str | None, request: object) -> JSONResponse | None:
    """Claim a key for this transaction, or find the answer that it got before.

    Two requests with one key at once: the second waits here until the first has committed, then gets its answer.
    Raises Problem 422 `idempotency-key-reused` if the key came with another request before.
    """
    if key is None:
        return None
    canonical = json.dumps(jsonable_encoder(request), sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).digest()
    (claim,) = await tx.connection.rows(sql.statement("claim_idempotency_key"), {"key": key, "hash": digest})
    if claim.request_hash != digest:
        cure = "Use a new key for a new request; repeat a request with exactly the same body."
        raise Problem(422, "idempotency-key-reused", "This key was used for another request", cure)
    return JSONResponse(claim.body, claim.status, claim.headers) if claim.status else None


def remember(
    tx: Transaction, key: str | None, status: int, body: dict[str, Any], headers: dict[str, str] | None = None
) -> None:
    """Keep the answer for a key that `replay` claimed, when the transaction commits."""
    if key is not None:
        answer = {"body": json.dumps(jsonable_encoder(body)), "headers": json.dumps(headers)}
        tx.answer = {"answered_key": key, "status": status, **answer}
