"""The pictures of the system and of one process show what the code does."""

import importlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
import yaml

from orders.main import create_service
from tests.docs.flowcharts import Arrow, arrows, boxes, flowcharts

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))
TOPICS = yaml.safe_load((ROOT / "contracts" / "topics.yaml").read_text())["topics"]
ENDINGS = {"order-confirmed", "order-rejected", "order-cancelled", "payment-refunded"}
LABELS: Mapping[str, set[str]] = {
    "placed": {"order-placed"},
    "confirmed": {"order-confirmed"},
    "rejected": {"order-rejected"},
    "cancelled": {"order-cancelled"},
    "stock reserved": {"stock-reserved"},
    "stock rejected": {"stock-rejected"},
    "captured": {"payment-captured"},
    "declined": {"payment-declined"},
    "products": {"product-listed"},
    "prices": {"product-priced"},
    "outcomes": ENDINGS,
}
"""What a label of the README's picture means: the events of its publisher. `everything` means all of them."""

Flow = tuple[str, str, str]
"""(publisher, event, subscriber)"""


@cache
def subscribed() -> frozenset[Flow]:
    """Every event that a service handles, by its SUBSCRIPTIONS."""
    return frozenset(
        (publisher, event, service)
        for service in SERVICES
        for publisher, event in (
            name.split(".")[:2]
            for name in importlib.import_module(f"{service}.subscriptions").SUBSCRIPTIONS.by_type
        )
    )


def flows_of(arrow: Arrow) -> set[Flow]:
    """The events that an arrow between two services stands for."""
    published = {event for publisher, event, _ in subscribed() if publisher == arrow.source}
    if arrow.label == "everything":
        return {(arrow.source, event, arrow.target) for event in published}
    named = {event for word in re.split(r" / |, ", arrow.label) for event in LABELS[word] & published}
    return {(arrow.source, event, arrow.target) for event in named}


def drawn(page: str) -> set[Flow]:
    """The events of the first flowchart of a page."""
    between_services = [
        arrow for arrow in arrows(flowcharts(page)[0]) if {arrow.source, arrow.target} <= set(SERVICES)
    ]
    return {flow for arrow in between_services for flow in flows_of(arrow)}


def topic_faults(page: str) -> list[str]:
    """How the arrows to and from topics differ from contracts/topics.yaml and from the subscriptions."""
    chart = flowcharts(page)[0]
    ids = {name: topic for topic, name in re.findall(r'(\w+)\[\["([\w.-]+\.v\d+)"\]\]', chart)}
    topic_of = {event: topic["name"] for topic in TOPICS for event in topic.get("events", ())}
    wanted = {
        (topic["owner"], ids.get(topic["name"], topic["name"])) for topic in TOPICS if topic.get("events")
    }
    for service in SERVICES:
        by_type = importlib.import_module(f"{service}.subscriptions").SUBSCRIPTIONS.by_type
        wanted |= {(ids.get(topic_of[event], topic_of[event]), service) for event in by_type}
    found = {
        (arrow.source, arrow.target)
        for arrow in arrows(chart)
        if {arrow.source, arrow.target} & set(ids.values())
    }
    return sorted(f"{source} --> {target}" for source, target in wanted ^ found)


def tasks_by_role(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """Role → the names of the tasks that a process of orders runs other than HTTP; every job is called `jobs`."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://orders@localhost/orders")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    jobs = {*importlib.import_module("orders.jobs").JOBS, "prune"}
    found = {}
    for role in ("api", "worker"):
        monkeypatch.setenv("SHOP_ROLE", role)
        runtime = create_service().runtime
        found[role] = {"jobs" if name in jobs else name for name in runtime.tasks}
        if runtime.consumer is not None:
            found[role].add("consumer")
    return found


NOT_TASKS = {"http", "inbox", "probes"}
"""Boxes of the picture of a process that are no task of their own."""


def process_faults(page: str, tasks: Mapping[str, set[str]]) -> list[str]:
    """How the boxes of the picture of a process differ from the tasks that run."""
    inside = boxes(next(chart for chart in flowcharts(page) if "subgraph api_role" in chart))
    both = inside["both_roles"]
    return [
        f"{role}: {sorted(difference)}"
        for role, names in tasks.items()
        if (difference := (inside[f"{role}_role"] | both) - NOT_TASKS ^ names)
    ]


def test_the_readme_shows_which_service_reacts_to_which_event() -> None:
    assert drawn((ROOT / "README.md").read_text()) == subscribed()


def test_the_architecture_shows_who_owns_and_who_reads_each_topic() -> None:
    assert topic_faults((ROOT / "docs/architecture.md").read_text()) == []


def test_the_architecture_shows_what_runs_in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    assert process_faults(page, tasks_by_role(monkeypatch)) == []


@pytest.mark.parametrize(
    ("old", "new", "lost", "invented"),
    [
        (
            'inventory -- "stock reserved" --> payments',
            'inventory -- "stock reserved" --> notifications',
            {("inventory", "stock-reserved", "payments")},
            {("inventory", "stock-reserved", "notifications")},
        ),
        ('"captured / declined"', '"captured"', {("payments", "payment-declined", "orders")}, set()),
        (
            'orders -- "cancelled" --> payments',
            'orders -- "cancelled / confirmed" --> payments',
            set(),
            {("orders", "order-confirmed", "payments")},
        ),
    ],
)
def test_an_arrow_of_the_readme_that_lies_is_seen(
    old: str, new: str, lost: set[Flow], invented: set[Flow]
) -> None:
    page = (ROOT / "README.md").read_text()
    assert old in page, f"the planted lie needs {old} in the page"
    found = drawn(page.replace(old, new))
    assert set(subscribed() - found) == lost
    assert found - subscribed() == invented


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("product --> orders & analytics", "product --> analytics", "product --> orders"),
        ("orders --> order[[", "payments --> order[[", "payments --> order"),
        (
            'payment[["payments.payment.v1"]]',
            'payment[["payments.gone.v1"]]',
            "payments --> payments.payment.v1",
        ),
    ],
)
def test_an_arrow_of_the_architecture_that_lies_is_seen(old: str, new: str, fault: str) -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    assert old in page, f"the planted lie needs {old} in the page"
    assert fault in topic_faults(page.replace(old, new, 1))


def test_a_task_that_is_drawn_in_the_wrong_role_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    tasks = tasks_by_role(monkeypatch)
    relay = '        relay["relay, with a PostgreSQL connection of its own"]\n'
    notify = "        notify["
    assert relay in page
    lie = page.replace(relay, "", 1).replace(notify, relay + notify, 1)
    assert process_faults(lie, tasks) == ["api: ['relay']"]
    assert process_faults(page, {**tasks, "worker": tasks["worker"] | {"scheduler"}}) == [
        "worker: ['scheduler']"
    ]
