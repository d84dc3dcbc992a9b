"""topics.yaml is what the stack declares and what services are held to: it must be right."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
Topic = dict[str, Any]


def declared() -> list[Topic]:
    topics: list[Topic] = yaml.safe_load((CONTRACTS / "topics.yaml").read_text())["topics"]
    return topics


def services() -> set[str]:
    return {path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml")}


def described_events() -> set[str]:
    """The types that have a schema: folder `a.b` with `v1.schema.json` is `a.b.v1`."""
    schemas = (CONTRACTS / "events").glob("*/v*.schema.json")
    return {f"{path.parent.name}.{path.name.removesuffix('.schema.json')}" for path in schemas}


def shape_faults(topics: list[Topic]) -> list[str]:
    schema = json.loads((CONTRACTS / "topics.schema.json").read_text())
    errors = Draft202012Validator(schema).iter_errors({"topics": topics})
    return [f"topics.yaml at {error.json_path}: {error.message}" for error in errors]


def meaning_faults(topics: list[Topic], events: set[str], teams: set[str]) -> list[str]:
    """What is wrong with well-formed topics, one sentence each."""
    faults = []
    seen: dict[str, str] = {}
    names = [topic["name"] for topic in topics]
    faults += [f"topic {name} is declared twice" for name in sorted(set(names)) if names.count(name) > 1]
    for topic in topics:
        name, owner = topic["name"], topic["owner"]
        faults += [
            f"{name} names {team}, and there is no services/{team}"
            for team in [owner, *topic["readers"]]
            if team not in teams
        ]
        if not name.startswith(f"{owner}."):
            faults.append(f"{name} is owned by {owner}: a topic is named after its owner")
        if owner in topic["readers"]:
            faults.append(f"{name}: its owner {owner} reads its own topic")
        if topic["cleanup_policy"] == "compact" and topic["retention_ms"] != -1:
            faults.append(f"{name} is compacted: retention_ms is -1, for its newest messages stay for ever")
        if not topic["events"] and not name.endswith(".dead-letters"):
            faults.append(f"{name} carries no event")
        for event in topic["events"]:
            if event in seen:
                faults.append(f"{event} is on {seen[event]} and on {name}: an event has one topic")
            seen[event] = name
            if not event.startswith(f"{owner}."):
                faults.append(f"{event} is on {name}, which {owner} owns: only the owner writes")
    faults += [f"{event} has a schema and no topic" for event in sorted(events - set(seen))]
    faults += [f"{event} is on {seen[event]} and has no schema" for event in sorted(set(seen) - events)]
    faults += [
        f"{team} has no topic {team}.dead-letters"
        for team in sorted(teams)
        if f"{team}.dead-letters" not in names
    ]
    return faults


def test_the_file_has_the_shape_of_its_schema() -> None:
    assert shape_faults(declared()) == []


def test_every_topic_has_an_owner_and_every_event_has_one_topic() -> None:
    assert meaning_faults(declared(), described_events(), services()) == []


def test_topics_that_share_a_key_and_take_part_in_the_saga_have_equally_many_partitions() -> None:
    partitions = {topic["name"]: topic["partitions"] for topic in declared() if topic["key"] == "order_id"}
    assert len(set(partitions.values())) == 1, (
        f"{partitions}: one order should fall on the same partition number everywhere, "
        "so that a person can follow it"
    )


def test_every_event_carries_the_key_of_its_topic() -> None:
    for topic in declared():
        for event in topic["events"]:
            folder, _, version = event.rpartition(".")
            schema = json.loads((CONTRACTS / "events" / folder / f"{version}.schema.json").read_text())
            assert topic["key"] in schema["required"], (
                f"{event} lacks {topic['key']}, the key of {topic['name']}"
            )


def planted(change: Any) -> list[str]:
    """The faults after `change` has been made to the true topics."""
    topics = copy.deepcopy(declared())
    change({topic["name"]: topic for topic in topics})
    return shape_faults(topics) + meaning_faults(topics, described_events(), services())


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda t: t["orders.order.v1"].update(owner="sales"), "sales"),
        (lambda t: t["orders.order.v1"].update(partitions=0), "partitions"),
        (lambda t: t["orders.order.v1"].update(cleanup_policy="none"), "cleanup_policy"),
        (lambda t: t["orders.order.v1"].update(retention=1), "retention"),
        (lambda t: t["orders.order.v1"]["readers"].append("nowhere"), "no services/nowhere"),
        (lambda t: t["orders.order.v1"]["readers"].append("orders"), "reads its own topic"),
        (lambda t: t["orders.order.v1"]["events"].pop(), "has a schema and no topic"),
        (lambda t: t["orders.order.v1"]["events"].append("orders.order-lost.v1"), "has no schema"),
        (
            lambda t: t["orders.order.v1"]["events"].append("inventory.stock-reserved.v1"),
            "an event has one topic",
        ),
        (lambda t: t["inventory.product.v1"].update(retention_ms=1), "is compacted"),
        (lambda t: t["orders.dead-letters"].update(name="orders.waste.v1"), "no topic orders.dead-letters"),
    ],
)
def test_a_wrong_topic_is_seen(change: Any, complaint: str) -> None:
    assert any(complaint in fault for fault in planted(change)), planted(change)
