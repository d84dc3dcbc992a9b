"""Valid events, made from the contracts' examples. The foreign records are made from them."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

from shop_lab.experiments.foreign_inputs.batches import Header, Record

DEADLINE_SECONDS = 30
ORDER_PLACED = "orders.order-placed.v1"


@dataclass(frozen=True)
class Event:
    """An event. Its methods return copies in which a part is replaced, also by an invalid one."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Mapping[bytes, bytes]

    @property
    def id(self) -> str:
        """Its `ce_id`."""
        return self.headers[b"ce_id"].decode(errors="replace")

    def with_header(self, name: bytes, value: bytes) -> Event:
        """A copy with this header, which is added or replaced."""
        return replace(self, headers={**self.headers, name: value})

    def without_header(self, name: bytes) -> Event:
        """A copy without this header."""
        return replace(self, headers={known: value for known, value in self.headers.items() if known != name})

    def with_data(self, data: Any) -> Event:
        """A copy with other data, which is encoded as JSON."""
        return replace(self, value=json.dumps(data).encode())

    def with_field(self, name: str, value: Any) -> Event:
        """A copy with another value of one field of its data."""
        return self.with_data({**self.data, name: value})

    @property
    def data(self) -> dict[str, Any]:
        """The decoded data. The value must be JSON."""
        data: dict[str, Any] = json.loads(self.value or b"{}")
        return data

    @property
    def record(self) -> Record:
        """The record that is sent."""
        headers: list[Header] = list(self.headers.items())
        return Record(self.key, self.value, headers)


@dataclass(frozen=True)
class EventTopic:
    """A topic as the contracts declare it, with example data of its events."""

    name: str
    owner: str
    readers: Sequence[str]
    key: str
    """The field of the data that has the key of the record."""
    examples: Mapping[str, Sequence[dict[str, Any]]]
    """Event type → data of each example."""

    def event(self, dice: random.Random, type: str = "") -> Event:
        """A valid event of a type, or of any type. Its id and its key are new, so the shop has no data for them."""
        chosen = type or dice.choice(sorted(self.examples))
        data = dict(dice.choice(self.examples[chosen]))
        key = str(uuid4()) if self.key.endswith("_id") else f"FOREIGN-{uuid4().hex[:12]}"
        data[self.key] = key
        name, _, version = chosen.rpartition(".")
        headers = {
            "ce_specversion": "1.0",
            "ce_id": str(uuid4()),
            "ce_source": f"/{self.owner}",
            "ce_type": chosen,
            "ce_time": datetime.now(UTC).isoformat(),
            "ce_subject": key,
            "ce_dataschema": f"urn:shopfloor:schema:{name}:{version}",
            "content-type": "application/json",
            "ce_correlationid": key,
        }
        encoded = {name.encode(): value.encode() for name, value in headers.items()}
        return Event(self.name, key.encode(), json.dumps(data).encode(), encoded)


def topics_of(contracts: Path) -> dict[str, EventTopic]:
    """Name → topic, for each topic that carries events."""
    declared = yaml.safe_load((contracts / "topics.yaml").read_text())["topics"]
    return {
        topic["name"]: EventTopic(
            topic["name"],
            topic["owner"],
            tuple(topic["readers"]),
            topic["key"],
            {type: _examples(contracts, type) for type in topic["events"]},
        )
        for topic in declared
        if topic["events"]
    }


def example_files(contracts: Path, type: str) -> list[Path]:
    """The files with example data of an event of today, by name. A second version has a folder of its own."""
    name, _, version = type.rpartition(".")
    folder = contracts / "events" / name / "examples"
    own = folder / version
    return sorted((own if own.is_dir() else folder).glob("*.json"))


def _examples(contracts: Path, type: str) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in example_files(contracts, type)]


def ghost_of(topic: EventTopic, dice: random.Random, sku: str) -> Event:
    """An order-placed that inventory and payments can handle, of an order that the service orders does not have."""
    event = topic.event(dice, ORDER_PLACED)
    now = datetime.now(UTC)
    price = {"amount_minor": 100, "currency": "EUR"}
    data = event.data | {
        "lines": [{"sku": sku, "quantity": 1, "unit_price": price}],
        "total": price,
        "payment_token": "tok_ok",
        "placed_at": now.isoformat(),
        "deadline_at": (now + timedelta(seconds=DEADLINE_SECONDS)).isoformat(),
    }
    return event.with_data(data)
