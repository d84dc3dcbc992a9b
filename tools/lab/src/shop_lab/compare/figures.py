"""The values of a comparison: the title and the unit of each, and the figure that it belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

RATES = (5, 20, 60)
"""Orders per second at which the time of an order is measured. They are the same in each shape."""
BROKEN = ("notifications", "payments")
"""The services that get a fault."""
FAULTS: Mapping[str, str] = {
    "raises": "an exception in each handler",
    "loops": "an endless loop in a handler",
    "leaks": "a leak in each handler",
    "queries": "a slow query in each handler",
}
"""Name of a fault → its title. `child/sitecustomize.py` makes it."""
CUTS: Mapping[str, str] = {
    "kafka": "no service reaches Kafka",
    "database": "orders does not reach its database",
}
"""Name of a partition → its title."""
SHARES: Mapping[str, str] = {"accepted": "accepted", "ended": "ended", "confirmed": "confirmed"}
"""What became of the orders while something was broken → the word for it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One value of each shape."""

    figure: str
    """The name for --only."""
    title: str
    unit: str = ""


FIGURES: Mapping[str, str] = {
    "throughput": "orders per second when all arrive at once",
    "cpu": "CPU of an order",
    "bytes": "bytes that an order leaves on disk",
    "latency": "time from the request to the end of an order, at fixed rates",
    "half": "time of an order at half of the orders per second that the shape can process",
    "hops": "one hop from orders to inventory, at 5 orders per second",
    "slow": "orders beside one customer whose charges take two seconds",
    "rest": "memory and CPU without orders",
    "start": "time from the start until each part is ready",
    "change": "time from a changed line until it runs",
    "field": "one named change: a field of an event that another service reads",
    "counts": "deployables, processes, databases, pipelines",
    "blast": "share of orders that end although one service has a fault",
    "partition": "share of orders that are accepted and end while Kafka or a database cannot be reached",
}
"""Name of a figure → its meaning."""
OF_LOAD = frozenset({"throughput", "cpu", "bytes"})
"""The figures of the run in which all orders arrive at once."""


def _rows() -> Iterator[tuple[str, Row]]:
    yield "orders_per_second", Row("throughput", "orders that end, all at once", "/s")
    yield "cpu_ms", Row("cpu", "CPU of an order, all at once", "ms")
    yield "bytes_kb", Row("bytes", "written for an order, all at once", "kB")
    for rate in RATES:
        for share in ("p50", "p99"):
            yield f"{share}_ms_at_{rate}", Row("latency", f"place → end at {rate} orders/s, {share}", "ms")
    for share in ("p50", "p99"):
        yield f"half_{share}_ms", Row("half", f"place → end at half of its orders/s, {share}", "ms")
    yield "hop_call_ms", Row("hops", "one hop as a call in the process", "ms")
    yield "hop_http_ms", Row("hops", "one hop as a request over HTTP", "ms")
    yield "hop_event_ms", Row("hops", "one hop as an event", "ms")
    yield (
        "slow_card_per_second",
        Row("slow", "beside a slow card: orders that end, of 20 /s that arrive", "/s"),
    )
    yield "slow_card_p50_ms", Row("slow", "beside a slow card: place → end, p50", "ms")
    yield "memory_mb", Row("rest", "memory at rest", "MB")
    yield "cpu_percent", Row("rest", "CPU at rest, of one core", "%")
    yield "start_seconds", Row("start", "start until ready", "s")
    yield "change_seconds", Row("change", "a changed line of notifications, until it runs", "s")
    yield "field_files", Row("field", "a new field of an event: changed files")
    yield "field_deployables", Row("field", "a new field of an event: deployables to deploy")
    yield "field_test_seconds", Row("field", "a new field of an event: tests of all modules in these", "s")
    yield "field_restart_seconds", Row("field", "a new field of an event: restart of these", "s")
    yield "deployables", Row("counts", "deployables")
    yield "service_processes", Row("counts", "processes of services")
    yield "processes", Row("counts", "processes in all")
    yield "databases", Row("counts", "databases")
    yield "pipelines", Row("counts", "pipelines")
    yield "pipelines_of_largest", Row("counts", "pipelines that the largest deployable waits for")
    for service in BROKEN:
        for fault, title in FAULTS.items():
            for share, word in SHARES.items():
                key = share_key(fault_name(service, fault), share)
                yield key, Row("blast", f"{title} of {service}: {word}", "%")
    for cut, title in CUTS.items():
        for share, word in SHARES.items():
            yield share_key(cut_name(cut), share), Row("partition", f"{title}: {word}", "%")


def fault_name(service: str, fault: str) -> str:
    """A fault of a service, in one word."""
    return f"{service}_{fault}"


def cut_name(cut: str) -> str:
    """A partition, in one word."""
    return f"cut_{cut}"


def share_key(broken: str, share: str) -> str:
    """The key of a share of orders, in percent of the orders that customers tried to place while `broken` lasted."""
    return f"{broken}_{share}"


ROWS: Mapping[str, Row] = dict(_rows())
"""Key of a value → its row, in the order of the table."""
