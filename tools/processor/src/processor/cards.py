"""The actions of the processor: charge a card once per idempotency key, refund a charge once, read the ledger."""

import hashlib
import json
import sqlite3
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

KINDS = ("tok_ok", "tok_declined", "tok_slow", "tok_flaky")
"""The kinds of cards. A bare kind is a test token, which may be used again. `KIND_…` pays for one charge."""
FLAKY_ATTEMPTS = 2
"""How many times a `tok_flaky` fails for one key before it works."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status and its JSON body. `replayed`: an earlier request with the same key got the same answer."""

    status: int
    body: dict[str, Any]
    replayed: bool = False


class Refused(Exception):
    """The request contradicts the ledger. `slug` names the problem, `status` is the HTTP status."""

    def __init__(self, status: int, slug: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.slug = status, slug


def charge(
    db: sqlite3.Connection, key: str, token: str, amount_minor: int, currency: str, reference: str
) -> Answer:
    """Charge a card: 201 succeeded, 402 declined; the first attempts with a `tok_flaky` get 500 or 503 (see README).

    Raises Refused 409 if the key was used for another request.
    """
    attempt, stored = _attempt(db, key, "charge", token, amount_minor, currency, reference)
    failing = kind_of(token) == "tok_flaky" and attempt <= FLAKY_ATTEMPTS
    if failing and not flaky_does_it_first(key):
        return Answer(503, {"status": "unavailable"})
    answer = stored or _settle_charge(db, key, token, amount_minor, currency, reference)
    if failing:
        return Answer(500, {"status": "answer_lost"})
    if answer.status != 201:
        return answer
    charged = {"amount_minor": amount_minor, "currency": currency, "reference": reference}
    return replace(answer, body=answer.body | charged)


def refund(db: sqlite3.Connection, key: str, charge_id: str, amount_minor: int, currency: str) -> Answer:
    """Refund a charge: 201.

    Raises Refused 404 (no such charge) or 409 (more than was charged, a second refund, a key of another request).
    """
    _, stored = _attempt(db, key, "refund", charge_id, amount_minor, currency)
    if stored:
        return stored
    charged = db.execute(
        "SELECT amount_minor, currency, reference FROM entries WHERE charge_id = ? AND kind = 'charge'",
        (charge_id,),
    ).fetchone()
    if charged is None:
        raise Refused(404, "unknown-charge", f"there is no charge {charge_id}")
    if currency != charged[1] or amount_minor > charged[0]:
        raise Refused(409, "refund-exceeds-charge", f"the charge was {charged[0]} {charged[1]}")
    if db.execute("SELECT 1 FROM entries WHERE charge_id = ? AND kind = 'refund'", (charge_id,)).fetchone():
        raise Refused(409, "already-refunded", f"charge {charge_id} was refunded before")
    _enter(db, "refund", charge_id, charged[2], amount_minor, currency)
    body = {"refund_id": _named("re", key), "charge_id": charge_id, "status": "succeeded"}
    return _store(db, key, Answer(201, body | {"amount_minor": amount_minor, "currency": currency}))


def read_ledger(db: sqlite3.Connection, after: int, limit: int) -> dict[str, Any]:
    """At most `limit` entries (-1: all) with an id above `after`, and the totals of the whole ledger."""
    names = ("entry_id", "kind", "charge_id", "reference", "amount_minor", "currency", "at")
    db.execute("BEGIN")  # so that the entries and the totals are of the same moment
    rows = db.execute(
        f"SELECT {', '.join(names)} FROM entries WHERE entry_id > ? ORDER BY entry_id LIMIT ?", (after, limit)
    ).fetchall()
    return {"entries": [dict(zip(names, row, strict=True)) for row in rows], "totals": _totals(db)}


def _totals(db: sqlite3.Connection) -> dict[str, dict[str, int]]:
    """Currency → number and sum of charges and refunds, in minor units.

    A sum in SQLite has 64 bits and can overflow. So the upper and the lower 32 bits are summed separately.
    """
    totals: dict[str, dict[str, int]] = {}
    halves = db.execute(
        "SELECT currency, kind, count(*), sum(amount_minor >> 32), sum(amount_minor & 4294967295)"
        " FROM entries GROUP BY currency, kind ORDER BY currency"
    )
    for currency, kind, count, upper, lower in halves:
        total = totals.setdefault(
            currency, {"charges": 0, "charged_minor": 0, "refunds": 0, "refunded_minor": 0}
        )
        total[f"{kind}s"] = count
        total["charged_minor" if kind == "charge" else "refunded_minor"] = (upper << 32) + lower
    return totals


def kind_of(token: str) -> str | None:
    """The kind of the card of a token; None if the processor has given no such token."""
    return next((kind for kind in KINDS if token == kind or token.startswith(f"{kind}_")), None)


def flaky_does_it_first(key: str) -> bool:
    """Whether the failing attempts of a `tok_flaky` with this key make the charge (500), or do nothing (503)."""
    return hashlib.sha256(key.encode()).digest()[0] % 2 == 1


def _settle_charge(
    db: sqlite3.Connection, key: str, token: str, amount_minor: int, currency: str, reference: str
) -> Answer:
    if (reason := _declined_for(db, key, token)) is not None:
        return _store(db, key, Answer(402, {"status": "declined", "reason": reason}))
    charge_id = _named("ch", key)
    _enter(db, "charge", charge_id, reference, amount_minor, currency)
    return _store(db, key, Answer(201, {"charge_id": charge_id, "status": "succeeded"}))


def _declined_for(db: sqlite3.Connection, key: str, token: str) -> str | None:
    """The reason for which a card is declined, or None if it is charged. Both use up a one-time token."""
    kind = kind_of(token)
    if kind is None:
        return "unknown_token"
    if token != kind and not _is_first_use(db, key, token):
        return "token_already_used"
    return "declined" if kind == "tok_declined" else None


def _is_first_use(db: sqlite3.Connection, key: str, token: str) -> bool:
    """Note the use of a one-time token. Returns whether no charge of another key has used it."""
    fingerprint = hashlib.sha256(token.encode()).hexdigest()
    (user,) = db.execute(
        "INSERT INTO used_tokens (fingerprint, key) VALUES (?, ?)"
        " ON CONFLICT (fingerprint) DO UPDATE SET key = key RETURNING key",
        (fingerprint, key),
    ).fetchone()
    return bool(user == key)


def _attempt(db: sqlite3.Connection, key: str, *request: str | int) -> tuple[int, Answer | None]:
    """Count an attempt with a key. Returns its number (from 1), and the answer that the key already has.

    Raises Refused 409 if the key was used for another request.
    """
    # The request is stored as a hash, so the card token is not stored as plain text.
    fingerprint = hashlib.sha256(json.dumps(request).encode()).hexdigest()
    attempts, first, status, body = db.execute(
        "INSERT INTO requests (key, fingerprint, attempts) VALUES (?, ?, 1)"
        " ON CONFLICT (key) DO UPDATE SET attempts = attempts + 1"
        " RETURNING attempts, fingerprint, status, body",
        (key, fingerprint),
    ).fetchone()
    if first != fingerprint:
        raise Refused(409, "idempotency-key-reused", "this Idempotency-Key came with another request before")
    return attempts, None if status is None else Answer(status, json.loads(body), replayed=True)


def _store(db: sqlite3.Connection, key: str, answer: Answer) -> Answer:
    db.execute(
        "UPDATE requests SET status = ?, body = ? WHERE key = ?",
        (answer.status, json.dumps(answer.body), key),
    )
    return answer


def _enter(
    db: sqlite3.Connection, kind: str, charge_id: str, reference: str, amount_minor: int, currency: str
) -> None:
    at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    db.execute(
        "INSERT INTO entries (kind, charge_id, reference, amount_minor, currency, at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (kind, charge_id, reference, amount_minor, currency, at),
    )


def _named(prefix: str, key: str) -> str:
    """An id that is derived from the idempotency key, so that a repeated demo gets the same ids."""
    return f"{prefix}_{uuid.uuid5(uuid.NAMESPACE_URL, f'{prefix}:{key}').hex}"
