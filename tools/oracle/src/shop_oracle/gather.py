"""Reads the evidence: dumps of one snapshot per database, the log, the ledger, the reports, the spans."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import httpx
import yaml

from shop_observe import traces
from shop_observe.history import read_histories
from shop_observe.kafka_log import Topic, dead_letter_topics, declared_topics, read_log
from shop_oracle.evidence import (
    DeadLetter,
    Evidence,
    Message,
    Movement,
    Order,
    Payment,
    Product,
    Refund,
    Reservation,
    Written,
)
from shop_oracle.invariants import one_trace_per_order
from shop_oracle.quiet import Unrest, wait_for_rest
from shop_stack.errors import UserError
from shop_stack.otlp_receiver import segment_files
from shop_stack.target import Target

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
SAMPLED_TRACES = 60
MANY = 5
"""Orders of one outcome that are enough to judge it by."""
SPANS_ARRIVE_WITHIN = 8.0
"""Seconds: services send their spans in batches, by default every five."""
PATIENCE = 20.0
"""Seconds to wait for spans that did not arrive in time: the machine may be busy."""
# The metric counts from the kernel's boot time, of which only whole seconds are told: it may be a second early.
START_IS_TOLD_WITHIN = timedelta(seconds=1)
STARTED = re.compile(r"^process_start_time_seconds ([0-9.e+]+)$", re.MULTILINE)
QUICK_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
REPORTS = {
    "orders-by-state": "",
    "revenue": "",
    "top-products": "?limit=100",
    "funnel": "",
    "time-to-confirm": "",
}


class EvidenceMissing(UserError):
    """Something that the oracle must read cannot be read; the message says the cure."""


async def gather(
    target: Target,
    wait: float,
    on_step: Callable[[str], None],
    on_look: Callable[[Unrest], None] = lambda _: None,
) -> Evidence:
    """Wait up to `wait` seconds for rest, then read everything. `on_step` hears what is being done."""
    topics = declared_topics(target.contracts)
    evidence = Evidence(topics=topics, subscriptions=declared_subscriptions(target.contracts, topics))
    on_step("waiting until the shop has come to rest")
    evidence.unrest = await wait_for_rest(target, topics, wait, on_look)
    on_step("reading databases and the Kafka log")
    async with httpx.AsyncClient(timeout=30.0, trust_env=False) as client:
        _, evidence.log, evidence.copies, evidence.ledger, evidence.reports, started = await asyncio.gather(
            dump_databases(target, evidence),
            read_log(target, topics),
            read_log(target, dead_letter_topics(target.contracts)),
            read_ledger(client, target),
            read_reports(client, target),
            started_at(client, target),
        )
    evidence.requests = read_histories(target.state / "history")
    evidence.taken_at = datetime.now(UTC)
    on_step("reading spans")
    await sample_traces(target, evidence, started)
    return evidence


def declared_subscriptions(contracts: Path, topics: Sequence[Topic]) -> dict[str, frozenset[str]]:
    """Service → the event types that its AsyncAPI document says it receives."""
    services = {service for topic in topics for service in (topic.owner, *topic.readers)}
    subscriptions = {}
    for service in sorted(services):
        file = contracts / "asyncapi" / f"{service}.yaml"
        try:
            document = yaml.load(file.read_text(), Loader=QUICK_LOADER)
        except FileNotFoundError:
            raise EvidenceMissing(f"{file} is missing: `make contracts` writes it again.") from None
        subscriptions[service] = frozenset(
            message["$ref"].rpartition("/")[2]
            for operation in document["operations"].values()
            if operation["action"] == "receive"
            for message in operation["messages"]
        )
    return subscriptions


# --- Databases ------------------------------------------------------------------------------------


async def dump_databases(target: Target, evidence: Evidence) -> None:
    """Read every database, each in one snapshot."""
    await asyncio.gather(*(dump(service, url, evidence) for service, url in target.database_urls.items()))


async def dump(service: str, url: str, evidence: Evidence) -> None:
    try:
        connection: Connection = await asyncpg.connect(url, timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise EvidenceMissing(
            f"The database of {service} does not answer ({error}). Is the shop up? See `shop status`."
        ) from None
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await dump_chassis(service, connection, evidence)
            if own := DUMPS.get(service):
                await own(connection, evidence)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise EvidenceMissing(
            f"The database of {service} cannot be read ({error}): see `shop status` and `shop logs postgres`."
        ) from None
    finally:
        connection.terminate()


async def dump_chassis(service: str, connection: Connection, evidence: Evidence) -> None:
    rows = await connection.fetch("SELECT event_id::text, topic, key, type, time FROM outbox")
    evidence.outbox += [Written(service, *row) for row in rows]
    for group, source, event_id in await connection.fetch(
        "SELECT consumer_group, source, event_id::text FROM inbox"
    ):
        evidence.inbox.setdefault(group, set()).add((source, event_id))
    rows = await connection.fetch(
        "SELECT consumer_group, topic, partition, \"offset\", event_id::text, reason, state = 'DISCARDED'"
        " FROM dead_letters"
    )
    evidence.dead_letters += [
        DeadLetter(group, (t, p, o), event_id or "", reason, is_discarded)
        for group, t, p, o, event_id, reason, is_discarded in rows
    ]


async def dump_orders(connection: Connection, evidence: Evidence) -> None:
    rows = await connection.fetch(
        "SELECT id::text, state, coalesce(reason, ''), total_minor, currency, placed_at, deadline_at, ended_at,"
        " coalesce(traceparent, '') FROM orders"
    )
    evidence.orders = {row[0]: Order(*row) for row in rows}


async def dump_inventory(connection: Connection, evidence: Evidence) -> None:
    rows = await connection.fetch("SELECT sku, initial, replenished, on_hand, reserved, sold FROM products")
    evidence.products = {row[0]: Product(*row) for row in rows}
    rows = await connection.fetch("SELECT order_id::text, state, lines::text FROM reservations")
    evidence.reservations = {
        order_id: Reservation(order_id, state, pieces(json.loads(lines))) for order_id, state, lines in rows
    }


def pieces(lines: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, int], ...]:
    return tuple((line["sku"], line["quantity"]) for line in lines)


async def dump_payments(connection: Connection, evidence: Evidence) -> None:
    rows = await connection.fetch(
        "SELECT order_id::text, payment_id::text, state, amount_minor, currency FROM payments"
    )
    evidence.payments = {row[0]: Payment(*row) for row in rows}
    rows = await connection.fetch(
        "SELECT refund_id::text, order_id::text, amount_minor, currency, state FROM refunds"
    )
    evidence.refunds = [Refund(*row) for row in rows]


async def dump_notifications(connection: Connection, evidence: Evidence) -> None:
    rows = await connection.fetch("SELECT id::text, order_id::text, kind, state FROM notifications")
    evidence.messages = [Message(*row) for row in rows]


async def dump_analytics(connection: Connection, evidence: Evidence) -> None:
    rows = await connection.fetch(
        "SELECT order_id::text, order_state, nullif(order_version, 0) AS order_version,"
        " reservation_state, nullif(reservation_version, 0) AS reservation_version,"
        " payment_state, nullif(payment_version, 0) AS payment_version, total_minor, currency, refunded_minor"
        " FROM order_facts"
        " WHERE generation = (SELECT generation FROM projection_state WHERE state = 'ACTIVE')"
    )
    evidence.facts = {row["order_id"]: dict(row) for row in rows}


DUMPS = {
    "orders": dump_orders,
    "inventory": dump_inventory,
    "payments": dump_payments,
    "notifications": dump_notifications,
    "analytics": dump_analytics,
}


# --- HTTP -----------------------------------------------------------------------------------------


async def read_ledger(client: httpx.AsyncClient, target: Target) -> list[Movement]:
    """The card processor's ledger, all of it."""
    url = f"{target.processor_url}/ledger"
    fields = ("kind", "charge_id", "reference", "amount_minor", "currency")
    try:
        return [
            Movement(*(entry[name] for name in fields))
            for entry in json_of(await get(client, url))["entries"]
        ]
    except (KeyError, TypeError):
        raise EvidenceMissing(f"{url} answers something else than a ledger: see `shop status`.") from None


async def read_reports(client: httpx.AsyncClient, target: Target) -> dict[str, Any]:
    url = target.service_urls["analytics"]
    return {
        name: json_of(await get(client, f"{url}/reports/{name}{query}")) for name, query in REPORTS.items()
    }


async def started_at(client: httpx.AsyncClient, target: Target) -> dict[str, datetime]:
    """Service → when the process that answers was started, where it says so."""
    started = {}
    for service, url in target.service_urls.items():
        if found := STARTED.search((await get(client, f"{url}/metrics")).text):
            started[service] = datetime.fromtimestamp(float(found[1]), UTC) + START_IS_TOLD_WITHIN
    return started


async def get(client: httpx.AsyncClient, url: str) -> httpx.Response:
    try:
        return (await client.get(url)).raise_for_status()
    except httpx.HTTPError as error:
        why = str(error) or type(error).__name__
        raise EvidenceMissing(f"{url} cannot be read ({why}). Is everything up? See `shop status`.") from None


def json_of(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        raise EvidenceMissing(f"{response.url} answers no JSON: does another program listen there?") from None


# --- Spans ----------------------------------------------------------------------------------------


async def sample_traces(target: Target, evidence: Evidence, started: Mapping[str, datetime]) -> None:
    """Take the spans of some orders into the evidence, and wait for those that are still on their way."""
    chosen, evidence.traces.unjudged = choose_orders(
        target.spans, evidence.ended_orders(), started, evidence.taken_at
    )
    missing = {order.id: order.trace_id for order in chosen}
    given_up = time.monotonic() + PATIENCE
    while missing:
        found = traces.collect(target.spans, missing.values())
        arrived = {order_id: found.get(trace_id, []) for order_id, trace_id in missing.items()}
        evidence.traces.of_order |= arrived
        late = {violation.subject for violation in one_trace_per_order(evidence).violations}
        missing = {order_id: missing[order_id] for order_id in arrived if f"order {order_id}" in late}
        if time.monotonic() > given_up:
            return
        if missing:
            await asyncio.sleep(1.0)


def choose_orders(
    spans: Path, orders: Iterable[Order], started: Mapping[str, datetime], now: datetime
) -> tuple[list[Order], str]:
    """Up to SAMPLED_TRACES orders of all outcomes whose spans must be there, or why there are none.

    A process that is killed takes the spans with it that it had not sent, so
    only orders since the last start of a service can be held to be complete.
    """
    ended = list(orders)
    if not ended:
        return [], "no order has ended yet"
    traced = [order for order in ended if order.trace_id]
    if not traced:
        return [], f"tracing is off: none of {len(ended)} ended orders carries a sampled traceparent"
    files = segment_files(spans)
    if not files:
        return (
            [],
            f"no spans were received in {spans}, although {len(traced)} orders carry sampled traceparents",
        )
    bounds = {
        f"{service} was started, which may have cost it unsent spans": at for service, at in started.items()
    }
    if int(files[0].stem) > 1:  # This one is whole only for what came after it.
        bounds["older spans were deleted"] = datetime.fromtimestamp(files[0].stat().st_mtime, UTC)
    why, since = max(
        bounds.items(), key=lambda bound: bound[1], default=("", datetime.min.replace(tzinfo=UTC))
    )
    fresh = [order for order in traced if order.placed_at > since]
    if not fresh:
        return [], f"no order was placed since {since:%H:%M:%S} UTC, when {why}"
    by_state: dict[str, list[Order]] = {}
    for order in fresh:
        by_state.setdefault(order.state, []).append(order)
    share = SAMPLED_TRACES // len(by_state)
    return [order for group in by_state.values() for order in sample(group, share, now)], ""


def sample(orders: Sequence[Order], most: int, now: datetime) -> list[Order]:
    """Up to `most` of the orders, and rather such as ended a while ago: their spans need not be waited for."""
    settled = [o for o in orders if o.ended_at and (now - o.ended_at).total_seconds() > SPANS_ARRIVE_WITHIN]
    found = settled if len(settled) >= min(most, MANY) else orders
    return random.Random(len(found)).sample(found, min(most, len(found)))
