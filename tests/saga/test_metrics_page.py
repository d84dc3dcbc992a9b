"""docs/reference/metrics.md lists what `/metrics` of each running service gives, by role: no more and no less."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shop_lab.replicas import Replica
from shop_stack.ports import SERVICES, free_port
from tools.observability.metrics_page import PAGE, Entry, entries_of, faults_of

pytestmark = pytest.mark.long


class Series(NamedTuple):
    """A metric as a process gives it."""

    type: str
    help: str
    labels: frozenset[str]


async def scraped(management_url: str) -> Mapping[str, Series]:
    """Name → each metric that has a series."""
    async with httpx.AsyncClient(trust_env=False) as http:
        return series_of((await http.get(f"{management_url}/metrics")).text)


def series_of(text: str) -> Mapping[str, Series]:
    found = {}
    for family in text_string_to_metric_families(text):
        names = {label for sample in family.samples for label in sample.labels if label != "le"}
        # The parser takes `_total` off, and the page has the name that a query has.
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if family.samples:
            found[name] = Series(family.type, family.documentation, frozenset(names))
    return found


@pytest.fixture(scope="module")
def page() -> list[Entry]:
    return entries_of(PAGE.read_text())


async def test_the_page_lists_what_each_service_gives(floor: Any, page: list[Entry]) -> None:
    await floor.serve(floor.run(12))
    faults: list[str] = []
    for service in SERVICES:
        given = await scraped(floor.stack.management_url(service))
        faults += faults_of(page, service, "all", given)
    assert faults == []


@pytest.mark.parametrize("role", ["api", "worker"])
@pytest.mark.parametrize("service", ["orders", "payments"])
async def test_the_page_says_which_role_has_a_metric(
    floor: Any, page: list[Entry], service: str, role: str
) -> None:
    async with process_of(floor, service, role) as url:
        assert faults_of(page, service, role, await scraped(url)) == []


@asynccontextmanager
async def process_of(floor: Any, service: str, role: str) -> AsyncIterator[str]:
    """One more process of a service, of this role. Gives the address of its management port."""
    replica = Replica(floor.stack, service, free_port(), free_port(), {"SHOP_ROLE": role})
    try:
        await replica.start()
        yield f"http://127.0.0.1:{replica.management_port}"
    finally:
        await replica.stop()


def altered(page: Iterable[Entry], which: str, **changes: Any) -> list[Entry]:
    return [one._replace(**changes) if one.name == which else one for one in page]


async def test_a_page_that_lacks_a_metric_or_has_one_too_many_is_seen(floor: Any, page: list[Entry]) -> None:
    given = await scraped(floor.stack.management_url("orders"))
    outbox = "chassis_outbox_unsent"
    lacking = [one for one in page if one.name != outbox]
    assert faults_of(lacking, "orders", "all", given) == [f"orders (all): {outbox} is not on the page"]
    invented = altered(page, outbox, name="chassis_outbox_gone")
    assert "orders (all): nobody gives chassis_outbox_gone" in faults_of(invented, "orders", "all", given)
    wrong = altered(page, outbox, labels=frozenset({"topic"}))
    (fault,) = faults_of(wrong, "orders", "all", given)
    assert fault.startswith(f"orders (all): {outbox} has the labels")
    assert faults_of(page, "orders", "api", given) != []
