"""Tables and queries. Each query is one statement, for any number of payments.

A statement that changes many rows locks them in the order of `order_id`, so that two batches never deadlock. Claims
and `void_abandoned_payments` skip locked rows instead.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from chassis.events import Cause, Envelope, Money
from chassis.postgres import Connection, Row
from payments.domain import (
    CLAIMABLE,
    FIRST,
    NEEDS_TOKEN,
    TRANSITIONS,
    Charge,
    Fact,
    Reason,
    Refund,
    RefundState,
    State,
)
from payments.events import OrderCancelled, OrderPlaced, StockReserved

metadata = MetaData()


def _list(states: "Sequence[State] | frozenset[State]") -> str:
    return ", ".join(f"'{state}'" for state in sorted(states))


payments = Table(
    "payments",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("payment_id", Uuid, nullable=False, unique=True),
    Column("customer_id", Text),
    Column("amount_minor", BigInteger),
    Column("currency", Text),
    Column("token", Text),  # deleted when the processor has answered, or the payment is voided
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    # Only for people who read the table. The service decides by `state`.
    Column("stock_reserved", Boolean, nullable=False, server_default="false"),
    # The order's deadline by the clock of this database. The job compares it with the same clock.
    Column("deadline_at", DateTime(timezone=True)),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column(
        "due_at", DateTime(timezone=True)
    ),  # when a job may call the processor: the end of a lease or a pause
    Column("charge_id", Text),  # the processor's id of the charge
    Column("reason", Text),  # of a declined card
    Column("cause", JSONB),  # the last event that opened the payment or made it due
    Column("cancel_cause", JSONB),  # the cancellation, if there was one
    Column("cancel_reason", Text),  # its reason; NULL if an earlier release recorded the cancellation
    Column("opened_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("settled_at", DateTime(timezone=True)),
    CheckConstraint(f"state IN ({_list(tuple(State))})", name="payments_state"),
    CheckConstraint(f"(due_at IS NOT NULL) = (state IN ({_list(CLAIMABLE)}))", name="payments_due"),
    CheckConstraint(f"(token IS NOT NULL) = (state IN ({_list(NEEDS_TOKEN)}))", name="payments_token"),
    CheckConstraint("(charge_id IS NOT NULL) = (state IN ('CAPTURED', 'REFUNDED'))", name="payments_charge"),
    Index("payments_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    Index("payments_opened", "deadline_at", postgresql_where=text("state = 'OPENED'")),
    Index("payments_awaiting", "opened_at", postgresql_where=text("state = 'AWAITING'")),
)

refunds = Table(
    "refunds",
    metadata,
    Column("refund_id", Uuid, primary_key=True),
    Column("payment_id", Uuid, nullable=False),
    Column("order_id", Uuid, ForeignKey("payments.order_id"), nullable=False, unique=True),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", DateTime(timezone=True)),
    Column("cause", JSONB),
    Column("requested_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("refunded_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('PENDING', 'REFUNDED')", name="refunds_state"),
    CheckConstraint("(due_at IS NOT NULL) = (state = 'PENDING')", name="refunds_due"),
    Index("refunds_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
)


def _from(fact: Fact) -> str:
    """The states that this fact changes, for `state IN (…)`."""
    return _list(tuple(TRANSITIONS[fact]))


def _next(fact: Fact) -> str:
    """A CASE expression: the state after this fact, by `p.state`."""
    cases = " ".join(f"WHEN '{before}' THEN '{after}'" for before, after in TRANSITIONS[fact].items())
    return f"CASE p.state {cases} END"


def _locked(table: str) -> str:
    return (
        f"SELECT order_id FROM {table} WHERE order_id = ANY(CAST(:order_ids AS uuid[]))"
        " ORDER BY order_id FOR UPDATE"
    )


@dataclass(frozen=True, slots=True)
class Settled:
    """A payment whose charge or refund the processor has just answered.

    `cause` is the event that led to the call: the new event continues its trace.
    """

    order_id: UUID
    payment_id: UUID
    customer_id: str
    amount: Money
    state: State
    version: int
    reason: Reason | None
    cancel_reason: str | None
    at: datetime
    cause: Cause
    cancelled: bool
    refund_id: UUID | None


@dataclass(frozen=True, slots=True)
class OpenWork:
    """Charges that are DUE, CAPTURING or CANCELLING, and refunds that are PENDING: how many, and the age of the oldest.

    A charge counts from the opening of its payment, and a refund from its request. Without any the age is 0.
    """

    charges: int
    oldest_charge_seconds: float
    refunds: int
    oldest_refund_seconds: float


_OPEN = text(f"""
    INSERT INTO payments AS p
        (order_id, payment_id, customer_id, amount_minor, currency, token, deadline_at, cause, state)
    SELECT order_id, payment_id, customer_id, amount_minor, currency, token,
           now() + make_interval(secs => seconds_allowed), CAST(cause AS jsonb), '{FIRST[Fact.ORDER_PLACED]}'
    FROM unnest(CAST(:order_ids AS uuid[]), CAST(:payment_ids AS uuid[]), CAST(:customer_ids AS text[]),
                CAST(:amounts AS bigint[]), CAST(:currencies AS text[]), CAST(:tokens AS text[]),
                CAST(:seconds_allowed AS float8[]), CAST(:causes AS text[]))
         AS e (order_id, payment_id, customer_id, amount_minor, currency, token, seconds_allowed, cause)
    ORDER BY order_id
    ON CONFLICT (order_id) DO UPDATE
    SET customer_id = excluded.customer_id, amount_minor = excluded.amount_minor,
        currency = excluded.currency, token = excluded.token,
        deadline_at = excluded.deadline_at, cause = excluded.cause,
        state = {_next(Fact.ORDER_PLACED)}, due_at = now()
    WHERE p.state IN ({_from(Fact.ORDER_PLACED)})
    RETURNING p.state
""")


async def open_payments(connection: Connection, events: Sequence[tuple[UUID, Envelope[OrderPlaced]]]) -> int:
    """Store amount, card token and deadline of each order. Returns how many payments became DUE.

    `events`: pairs of a payment id, which is used if the order has no payment yet, and the event.
    """
    rows = await connection.rows(
        _OPEN,
        {
            "order_ids": [event.data.order_id for _, event in events],
            "payment_ids": [payment_id for payment_id, _ in events],
            "customer_ids": [event.data.customer_id for _, event in events],
            "amounts": [event.data.total.amount_minor for _, event in events],
            "currencies": [event.data.total.currency for _, event in events],
            "tokens": [event.data.payment_token.get_secret_value() for _, event in events],
            "seconds_allowed": [event.data.seconds_allowed for _, event in events],
            "causes": [_json_of(event.cause) for _, event in events],
        },
    )
    return sum(row.state == State.DUE for row in rows)


_STOCK = text(f"""
    INSERT INTO payments AS p (order_id, payment_id, stock_reserved, cause, state)
    SELECT order_id, payment_id, true, CAST(cause AS jsonb), '{FIRST[Fact.STOCK_RESERVED]}'
    FROM unnest(CAST(:order_ids AS uuid[]), CAST(:payment_ids AS uuid[]), CAST(:causes AS text[]))
         AS e (order_id, payment_id, cause)
    ORDER BY order_id
    ON CONFLICT (order_id) DO UPDATE
    SET stock_reserved = true, cause = excluded.cause, state = {_next(Fact.STOCK_RESERVED)}, due_at = now()
    WHERE p.state IN ({_from(Fact.STOCK_RESERVED)})
    RETURNING p.state
""")


async def note_stock(connection: Connection, events: Sequence[tuple[UUID, Envelope[StockReserved]]]) -> int:
    """Store that the stock is reserved. `events` as in `open_payments`. Returns how many payments became DUE."""
    rows = await connection.rows(
        _STOCK,
        {
            "order_ids": [event.data.order_id for _, event in events],
            "payment_ids": [payment_id for payment_id, _ in events],
            "causes": [_json_of(event.cause) for _, event in events],
        },
    )
    return sum(row.state == State.DUE for row in rows)


_CANCEL = text(f"""
    INSERT INTO payments AS p (order_id, payment_id, customer_id, cancel_cause, cancel_reason, state)
    SELECT order_id, payment_id, customer_id, CAST(cause AS jsonb), reason, '{FIRST[Fact.ORDER_CANCELLED]}'
    FROM unnest(CAST(:order_ids AS uuid[]), CAST(:payment_ids AS uuid[]), CAST(:customer_ids AS text[]),
                CAST(:causes AS text[]), CAST(:reasons AS text[]))
         AS e (order_id, payment_id, customer_id, cause, reason)
    ORDER BY order_id
    ON CONFLICT (order_id) DO UPDATE
    SET cancel_cause = excluded.cancel_cause, cancel_reason = excluded.cancel_reason,
        state = {_next(Fact.ORDER_CANCELLED)},
        token = CASE p.state WHEN 'CAPTURING' THEN p.token END,
        due_at = CASE p.state WHEN 'CAPTURING' THEN p.due_at END
    WHERE p.state IN ({_from(Fact.ORDER_CANCELLED)})
    RETURNING p.order_id, p.state
""")


async def cancel_payments(
    connection: Connection, events: Sequence[tuple[UUID, Envelope[OrderCancelled]]]
) -> list[UUID]:
    """Apply the cancellation of each order: VOIDED, CANCELLING, or CAPTURED. `events` as in `open_payments`.

    Returns the orders that must be refunded: those of CAPTURED payments.
    """
    rows = await connection.rows(
        _CANCEL,
        {
            "order_ids": [event.data.order_id for _, event in events],
            "payment_ids": [payment_id for payment_id, _ in events],
            "customer_ids": [event.data.customer_id for _, event in events],
            "causes": [_json_of(event.cause) for _, event in events],
            "reasons": [event.data.reason for _, event in events],
        },
    )
    return [order_id for order_id, state in rows if state == State.CAPTURED]


_ADD_REFUNDS = text(f"""
    INSERT INTO refunds (refund_id, payment_id, order_id, amount_minor, currency, state, due_at, cause)
    SELECT r.refund_id, p.payment_id, order_id, p.amount_minor, p.currency,
           '{RefundState.PENDING}', now(), p.cancel_cause
    FROM unnest(CAST(:refund_ids AS uuid[]), CAST(:order_ids AS uuid[])) AS r (refund_id, order_id)
    JOIN payments p USING (order_id)
    ORDER BY order_id
    ON CONFLICT (order_id) DO NOTHING
""")


async def add_refunds(connection: Connection, order_ids: Sequence[UUID], refund_ids: Sequence[UUID]) -> None:
    """Write a due refund for each of these cancelled orders that was charged."""
    await connection.execute(_ADD_REFUNDS, {"order_ids": list(order_ids), "refund_ids": list(refund_ids)})


_CLAIM_CHARGES = text(f"""
    WITH due AS (
        SELECT order_id FROM payments WHERE due_at <= now() ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE payments p
    SET state = {_next(Fact.CLAIMED)}, attempts = attempts + 1,
        due_at = now() + make_interval(secs => CAST(:lease_seconds AS float8))
    FROM due
    WHERE p.order_id = due.order_id
    RETURNING p.order_id, p.payment_id, p.amount_minor, p.currency, p.token, p.attempts,
              p.cause ->> 'traceparent'
""")


async def claim_charges(connection: Connection, limit: int, lease_seconds: float) -> list[Charge]:
    """Claim up to `limit` payments whose `due_at` has passed. No other process gets them before the lease ends."""
    rows = await connection.rows(_CLAIM_CHARGES, {"limit": limit, "lease_seconds": lease_seconds})
    return [Charge(*row) for row in rows]


_CLAIM_REFUNDS = text("""
    WITH due AS (
        SELECT refund_id FROM refunds WHERE due_at <= now() ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE refunds r
    SET attempts = r.attempts + 1, due_at = now() + make_interval(secs => CAST(:lease_seconds AS float8))
    FROM due, payments p
    WHERE r.refund_id = due.refund_id AND p.order_id = r.order_id
    RETURNING r.order_id, r.refund_id, p.charge_id, r.amount_minor, r.currency, r.attempts,
              r.cause ->> 'traceparent'
""")


async def claim_refunds(connection: Connection, limit: int, lease_seconds: float) -> list[Refund]:
    """Claim up to `limit` due refunds, like `claim_charges`."""
    rows = await connection.rows(_CLAIM_REFUNDS, {"limit": limit, "lease_seconds": lease_seconds})
    return [Refund(*row) for row in rows]


_SETTLE = text(f"""
    WITH locked AS (
        {_locked("payments")}
    )
    UPDATE payments p
    SET state = CASE WHEN a.charge_id IS NOT NULL THEN {_next(Fact.CHARGED)} ELSE {_next(Fact.DECLINED)} END,
        charge_id = a.charge_id, reason = a.reason, version = version + 1,
        token = NULL, due_at = NULL, settled_at = now()
    FROM unnest(CAST(:order_ids AS uuid[]), CAST(:charge_ids AS text[]), CAST(:reasons AS text[]))
         AS a (order_id, charge_id, reason)
    JOIN locked USING (order_id)
    WHERE p.order_id = a.order_id
      AND (p.state IN ({_from(Fact.CHARGED)}) AND a.charge_id IS NOT NULL
           OR p.state IN ({_from(Fact.DECLINED)}) AND a.reason IS NOT NULL)
    RETURNING p.order_id, p.payment_id, p.customer_id, p.amount_minor, p.currency, p.state, p.version,
              p.reason, p.cancel_reason, p.settled_at, p.cause, p.cancel_cause IS NOT NULL AS cancelled,
              CAST(NULL AS uuid) AS refund_id
""")


async def settle_charges(
    connection: Connection, answers: Sequence[tuple[UUID, str | None, str | None]]
) -> list[Settled]:
    """Record the processor's answers: (order, charge id or None, reason of a decline or None).

    Returns the payments that changed. A payment whose answer is recorded already is not changed.
    """
    order_ids, charge_ids, reasons = (list(column) for column in zip(*answers, strict=True))
    rows = await connection.rows(
        _SETTLE, {"order_ids": order_ids, "charge_ids": charge_ids, "reasons": reasons}
    )
    return [_settled(row) for row in rows]


_SETTLE_REFUNDS = text(f"""
    WITH locked AS (
        {_locked("payments")}
    ), done AS (
        UPDATE refunds r
        SET state = '{RefundState.REFUNDED}', due_at = NULL, refunded_at = now()
        FROM locked
        WHERE r.order_id = locked.order_id AND r.state = '{RefundState.PENDING}'
        RETURNING r.order_id, r.refund_id, r.refunded_at, r.cause
    )
    UPDATE payments p
    SET state = {_next(Fact.REFUNDED)}, version = version + 1
    FROM done
    WHERE p.order_id = done.order_id AND p.state IN ({_from(Fact.REFUNDED)})
    RETURNING p.order_id, p.payment_id, p.customer_id, p.amount_minor, p.currency, p.state, p.version,
              p.reason, p.cancel_reason, done.refunded_at AS settled_at, done.cause, true AS cancelled, done.refund_id
""")


async def settle_refunds(connection: Connection, order_ids: Sequence[UUID]) -> list[Settled]:
    """Record the refunds of these orders. Returns the payments that changed. A recorded refund is not changed."""
    rows = await connection.rows(_SETTLE_REFUNDS, {"order_ids": list(order_ids)})
    return [_settled(row) for row in rows]


def _postpone(table: str) -> str:
    # If the lease ended and the row was claimed again, `attempts` differs, and the later claim is not changed.
    return f"""
        WITH locked AS (
            {_locked(table)}
        )
        UPDATE {table} t
        SET due_at = now() + make_interval(secs => a.pause)
        FROM unnest(CAST(:order_ids AS uuid[]), CAST(:attempts AS int[]), CAST(:pauses AS float8[]))
             AS a (order_id, attempts, pause)
        JOIN locked USING (order_id)
        WHERE t.order_id = a.order_id AND t.attempts = a.attempts AND t.due_at IS NOT NULL
    """


_POSTPONE_CHARGES = text(_postpone("payments"))
_POSTPONE_REFUNDS = text(_postpone("refunds"))
Pause = tuple[UUID, int, float]
"""(order, number of the attempt without an answer, seconds to wait from now)"""


async def postpone_charges(connection: Connection, pauses: Sequence[Pause]) -> None:
    """Make these charges due again later."""
    await connection.execute(_POSTPONE_CHARGES, _columns(pauses))


async def postpone_refunds(connection: Connection, pauses: Sequence[Pause]) -> None:
    """Make these refunds due again later."""
    await connection.execute(_POSTPONE_REFUNDS, _columns(pauses))


_OPEN_WORK = text("""
    SELECT charges, oldest_charge_seconds, refunds, oldest_refund_seconds FROM (
        SELECT count(*) AS charges,
               coalesce(extract(epoch FROM now() - min(opened_at)), 0)::float8 AS oldest_charge_seconds
        FROM payments WHERE due_at IS NOT NULL
    ) AS due_charges CROSS JOIN (
        SELECT count(*) AS refunds,
               coalesce(extract(epoch FROM now() - min(requested_at)), 0)::float8 AS oldest_refund_seconds
        FROM refunds WHERE due_at IS NOT NULL
    ) AS due_refunds
""")


async def open_work(connection: Connection) -> OpenWork:
    """The charges and refunds that are not done."""
    row = await connection.row(_OPEN_WORK)
    assert row is not None
    return OpenWork(**row)


_VOID_ABANDONED = text(f"""
    UPDATE payments p
    SET state = {_next(Fact.ABANDONED)}, token = NULL
    WHERE order_id IN (
        SELECT order_id FROM payments
        WHERE (state = 'OPENED' AND deadline_at < now() - make_interval(secs => CAST(:seconds AS float8)))
           OR (state = 'AWAITING' AND opened_at < now() - make_interval(secs => CAST(:seconds AS float8)))
        ORDER BY opened_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    RETURNING order_id
""")


async def void_abandoned_payments(connection: Connection, seconds: float, limit: int) -> int:
    """Void up to `limit` payments that are OPENED `seconds` after their order's deadline, or AWAITING for so long.

    Returns how many.
    """
    return len(await connection.rows(_VOID_ABANDONED, {"seconds": seconds, "limit": limit}))


_FIND = text("""
    SELECT p.order_id, p.payment_id, p.customer_id, p.amount_minor, p.currency, p.state, p.version, p.reason,
           p.attempts, p.opened_at, p.settled_at, p.cancel_reason,
           r.refund_id, r.state AS refund_state, r.amount_minor AS refund_minor, r.requested_at, r.refunded_at
    FROM payments p LEFT JOIN refunds r USING (order_id)
    WHERE p.order_id = :order_id
""")


async def find_payment(connection: Connection, order_id: UUID) -> Row | None:
    """The payment of an order with the columns of its refund (None without a refund), without the token."""
    return await connection.row(_FIND, {"order_id": order_id})


def _columns(pauses: Sequence[Pause]) -> dict[str, list[Any]]:
    order_ids, attempts, seconds = (list(column) for column in zip(*pauses, strict=True))
    return {"order_ids": order_ids, "attempts": attempts, "pauses": seconds}


def _settled(row: Row) -> Settled:
    return Settled(
        order_id=row.order_id,
        payment_id=row.payment_id,
        customer_id=row.customer_id,
        amount=Money.of_row(row.amount_minor, row.currency),
        state=State(row.state),
        version=row.version,
        reason=row.reason and Reason(row.reason),
        cancel_reason=row.cancel_reason,
        at=row.settled_at,
        cause=_cause_of(row.cause),
        cancelled=row.cancelled,
        refund_id=row.refund_id,
    )


def _json_of(cause: Cause) -> str:
    event_id = str(cause.event_id) if cause.event_id else None
    return json.dumps(
        {"event_id": event_id, "correlation_id": cause.correlation_id, "traceparent": cause.traceparent}
    )


def _cause_of(cause: Mapping[str, Any]) -> Cause:
    event_id = cause["event_id"]
    return Cause(UUID(event_id) if event_id else None, cause["correlation_id"], cause["traceparent"])
