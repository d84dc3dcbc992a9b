"""The addresses of a running shop. The oracle, the demo and the tests need nothing else.

A target does not say how the shop is run. So the same oracle judges the embedded stack, containers and a cluster.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shop_stack.kafka_access import KafkaAccess
from shop_stack.shapes import CHOREOGRAPHED, STEPS, Shape


class TargetMissing(Exception):
    """No shop runs where the target was looked for. The message says what to do."""


@dataclass(frozen=True)
class Issuer:
    """The issuer of tokens, as the tools reach it."""

    url: str
    """Its HTTP address, without a slash at the end."""
    secrets: Mapping[str, str] = field(repr=False)
    """Client → its secret."""


NO_ISSUER = Issuer("", {})


@dataclass(frozen=True)
class Target:
    """A running shop, seen from outside."""

    name: str
    """The name of the target in reports, such as ``embedded``."""
    service_urls: Mapping[str, str]
    """HTTP address per service, without a slash at the end."""
    management_urls: Mapping[str, str]
    """HTTP address per service of its probes, metrics and admin API, without a slash at the end."""
    processor_url: str
    """HTTP address of the card processor."""
    kafka: KafkaAccess
    """The broker, and the login of the principal `oracle`, which reads every topic and writes none."""
    database_urls: Mapping[str, str]
    """Service → ``postgresql://`` URL of a role that may read every table."""
    spans: Path
    """The folder in which the OTLP receiver stores spans."""
    contracts: Path
    """The folder of the contracts: the repository's ``contracts``, or ``contracts/orchestrated`` for that saga."""
    state: Path
    """The folder of the running shop's own files, such as client histories."""
    issuer: Issuer = NO_ISSUER
    processor_key: str = field(default="", repr=False)
    """The merchant's key at the card processor, which payments has."""
    shape: Shape = field(default_factory=Shape)
    """Which services share a process and a database. Without Kafka their outboxes are the log."""


def embedded(state: Path) -> Target:
    """The target of the embedded stack whose state folder is `state`.

    Raises TargetMissing if no stack was started there.
    """
    file = state / "stack.json"
    try:
        facts: dict[str, Any] = json.loads(file.read_text())
        return Target(
            name="embedded",
            service_urls=dict(facts["service_urls"]),
            management_urls=dict(facts["management_urls"]),
            processor_url=facts["processor_url"],
            kafka=KafkaAccess(**facts["kafka"]),
            database_urls=dict(facts["database_urls"]),
            spans=Path(facts["spans"]),
            contracts=Path(facts["contracts"]),
            state=state,
            issuer=Issuer(facts["issuer_url"], dict(facts["client_secrets"])),
            processor_key=facts["processor_key"],
            shape=Shape(
                tuple(tuple(group) for group in facts["groups"]),
                facts.get("saga", CHOREOGRAPHED),
                facts.get("tx", STEPS),
            ),
        )
    except FileNotFoundError:
        raise TargetMissing(
            f"No shop runs: {file} does not exist. Start one with `shop up` (or `make up`)."
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise TargetMissing(f"{file} cannot be read. Run `shop down`, then `shop up`.") from None
