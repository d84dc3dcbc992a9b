"""The profile observability: one order is one trace across all services, as Jaeger's API tells it.

The receiver of spans sends them on to Jaeger, and the link that `shop trace` prints names the trace there.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx
import pytest

from shop_load.plans import Scenario
from shop_observe import trace_links
from shop_observe.traces import ORDER, collect, trace_ids_of, traces_of_order
from shop_stack import compose
from shop_stack.ports import SERVICES
from testkit import eventually

from .conftest import Containers, place, up

JAEGER_PORT = 16686
SECONDS = 120.0
"""Services send spans every few seconds."""


@pytest.fixture(scope="module")
def jaeger(containers: Containers) -> Iterator[str]:
    """The address of Jaeger's API; the receiver sends its spans on to it until the end."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SHOP_FORWARD_SPANS", "http://jaeger:4318")
        # Not the whole profile: what it is about is Jaeger, and the other images are not everywhere.
        up("jaeger", "spans")
        yield f"http://127.0.0.1:{compose.published_ports()['jaeger'][JAEGER_PORT]}"
    compose.docker("compose", "rm", "--stop", "--force", "jaeger")
    up()


def broken(traces: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why these traces, as Jaeger's API tells them, are not one whole trace across all services."""
    if len(traces) != 1:
        return [f"{len(traces)} traces"]
    (trace,) = traces
    names = {key: process["serviceName"] for key, process in trace["processes"].items()}
    present = {names[span["processID"]] for span in trace["spans"]}
    known = {span["spanID"] for span in trace["spans"]}
    faults = [f"no span of {service}" for service in SERVICES if service not in present]
    return faults + [
        f"{span['operationName']} hangs on a span that is not there"
        for span in trace["spans"]
        for parent in span.get("references", [])
        if parent["refType"] == "CHILD_OF" and parent["spanID"] not in known
    ]


async def traces_of(jaeger: str, order_id: str) -> list[dict[str, Any]]:
    """The traces in which orders speaks of the order."""
    about = {"service": "orders", "tags": json.dumps({ORDER: order_id}), "lookback": "1h"}
    async with httpx.AsyncClient(base_url=jaeger, trust_env=False) as client:
        answer = (await client.get("/api/traces", params=about)).raise_for_status()
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def test_an_order_is_one_trace_across_all_services(jaeger: str, containers: Containers) -> None:
    (placed,) = await place(containers, 1, Scenario.CONFIRMED)

    async def whole() -> None:
        assert broken(await traces_of(jaeger, placed.order_id)) == []

    await eventually(whole, deadline=SECONDS)
    # What is found can be missed: the same trace without a service, without its root, and cut in two.
    (trace,) = await traces_of(jaeger, placed.order_id)
    notifications = [key for key, one in trace["processes"].items() if one["serviceName"] == "notifications"]
    without = [span for span in trace["spans"] if span["processID"] not in notifications]
    assert "no span of notifications" in broken([{**trace, "spans": without}])
    root = next(span for span in trace["spans"] if not span.get("references"))
    assert broken([{**trace, "spans": [span for span in trace["spans"] if span is not root]}])
    assert broken([trace, trace]) == ["2 traces"]


async def test_the_link_to_an_order_names_the_trace_that_jaeger_has(
    jaeger: str, containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(trace_links.VARIABLE, jaeger)
    (placed,) = await place(containers, 1, Scenario.CONFIRMED)
    spans = containers.target.spans

    async def leads_to_the_trace() -> None:
        found = collect(spans, traces_of_order(spans, placed.order_id))
        link = trace_links.link_to(trace_ids_of(span for family in found.values() for span in family))
        address, _, trace_id = link.rpartition("/trace/")
        assert address == jaeger
        (trace,) = await traces_of(jaeger, placed.order_id)
        assert trace["traceID"] == trace_id

    await eventually(leads_to_the_trace, deadline=SECONDS)
