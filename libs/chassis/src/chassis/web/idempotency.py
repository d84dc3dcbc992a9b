"""`Idempotency-Key` on POST: the transaction of the first request stores its answer. A repetition gets this answer.

A key belongs to a caller and an operation. The table has a hash of key, caller and operation. Keys are kept for as long
as inbox rows (INBOX_RETENTION), because both are kept against repetitions.
"""

import hashlib
import json
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse

from chassis.outbox import Transaction
from chassis.postgres import Statements
from chassis.web.problems import Problem
from chassis.web.text import Plain

PROMISE = (
    "Repeat a request with the same key, and it has no second effect: you get the first answer again."
    " A key belongs to its operation and to its caller: two callers may use the same key."
    " It is kept for 23 days, unless this service's INBOX_RETENTION says otherwise; after that it is a new key."
)
_HEADER = Header(alias="Idempotency-Key", min_length=1, max_length=255, description=PROMISE)


def _scoped(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


async def _key_of_caller(request: Request, key: Annotated[str | None, _HEADER, Plain] = None) -> str | None:
    if key is None:
        return None
    # A public route has no caller.
    caller = request.state.caller.subject if hasattr(request.state, "caller") else ""
    return _scoped(caller, _scoped(f"{request.method} {request.scope['route'].path}", key))


IdempotencyKey = Annotated[str | None, Depends(_key_of_caller)]
"""The hash of a request's key with its operation and its caller, or None without a key."""

_statements = Statements(__package__)


async def claim_or_replay(tx: Transaction, key: str | None, request: object) -> JSONResponse | None:
    """Return the answer that is stored for a key. If there is none, claim the key for this transaction and return None.

    Of two requests with one key at the same time, the second waits here until the first has ended. It gets the first
    one's answer if that has committed, and else the key. A repetition must have an equal `request`; only its hash is
    stored. Without a key this does nothing, and returns None.

    Raises:
        Problem: 422 `idempotency-key-reused`, if the key was used with another request.
    """
    if key is None:
        return None
    canonical = json.dumps(jsonable_encoder(request), sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).digest()
    claim_key = _statements.named("claim_idempotency_key")
    (claim,) = await tx.connection.rows(claim_key, {"key": key, "hash": digest})
    if claim.request_hash != digest:
        cure = "Use a new key for a new request; repeat a request with exactly the same body."
        raise Problem(422, "idempotency-key-reused", "This key was used for another request", cure)
    return JSONResponse(claim.body, claim.status, claim.headers) if claim.status else None


async def remember(
    tx: Transaction, key: str | None, status: int, body: dict[str, Any], headers: dict[str, str] | None = None
) -> None:
    """Store the answer for a key that `claim_or_replay` claimed. Without a key it does nothing."""
    if key is not None:
        answer = {
            "key": key,
            "status": status,
            "body": json.dumps(jsonable_encoder(body)),
            "headers": json.dumps(headers),
        }
        await tx.connection.execute(_statements.named("store_answer"), answer)
