"""The evidence of a simulated shop, for the oracle: databases, log, ledger, requests and reports."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from analytics import handlers as reports
from chassis.postgres import Connection, Driver
from shop_observe.kafka_log import Log
from shop_observe.topics import Topic
from shop_oracle.databases import DUMPS, dump_chassis
from shop_oracle.evidence import Evidence, Traces
from shop_oracle.gather import declared_subscriptions
from shop_oracle.replay import TOP_PRODUCTS
from shop_oracle.report import Verdict, judge
from shop_simulate.shop import Shop
from shop_stack import paths


class Judge:
    """Reads the evidence of a shop at rest, and asks the oracle."""

    def __init__(self, topics: Sequence[Topic]) -> None:
        self._events = [topic for topic in topics if topic.events]
        self._names = {topic.name for topic in self._events}
        self._subscriptions = declared_subscriptions(paths.contracts(), self._events)

    async def judge(self, shop: Shop, unrest: Sequence[str]) -> Verdict:
        """The oracle's verdict. `unrest` are reasons why the shop is not at rest, or what else went wrong."""
        evidence = Evidence(
            taken_at=shop.clock.now,
            topics=self._events,
            subscriptions=self._subscriptions,
            requests=list(shop.requests),
            ledger=shop.processor.movements(),
            log=self._log(shop, of_events=True),
            copies=self._log(shop, of_events=False),
            traces=Traces(unjudged="a simulation records no spans"),
        )
        connections = {name: database.admin for name, database in shop.databases.items()}
        await asyncio.gather(*(_dump(name, admin, evidence) for name, admin in connections.items()))
        letters = [f"{letter.group} has a dead letter: {letter.reason}" for letter in evidence.dead_letters]
        evidence.unrest = [*unrest, *letters]
        return judge(evidence)

    def _log(self, shop: Shop, of_events: bool) -> Log:
        entries = [entry for entry in shop.transport.entries if (entry.topic in self._names) is of_events]
        entries.sort(key=lambda entry: (entry.topic, entry.partition, entry.offset))
        return Log(entries, {}, {topic.name: topic.partitions for topic in self._events})


async def _dump(service: str, admin: Driver, evidence: Evidence) -> None:
    await dump_chassis(service, admin, evidence)
    if own := DUMPS.get(service):
        await own(admin, evidence)
    if service == "analytics":
        evidence.reports = await _reports(Connection(admin))


async def _reports(connection: Connection) -> dict[str, Any]:
    """The answers of the API, without HTTP."""
    return {
        "orders-by-state": {"states": await reports.report_orders_by_state(connection)},
        "revenue": {"currencies": await reports.report_revenue(connection)},
        "top-products": {"products": await reports.report_top_products(connection, TOP_PRODUCTS)},
        "funnel": await reports.report_funnel(connection),
        "time-to-confirm": await reports.report_time_to_confirm(connection),
    }
