"""Who reads which event, which fields of it, and the releases that run."""

from __future__ import annotations

from typing import Any

from shop_contracts.contracts import Contracts
from shop_contracts.readers import who_reads
from shop_observe.topics import declared_topics
from shop_stack.errors import UserError
from shop_stack.target import Target


def contract_table(target: Target, deployed: dict[str, str]) -> dict[str, Any]:
    """Every event with its owner and its readers. `deployed`: service → the version that runs."""
    contracts = Contracts(target.contracts.parent)
    events, lacks = [], []
    for topic in declared_topics(target.contracts):
        for type_ in topic.events:
            try:
                found = who_reads(contracts, type_, deployed=deployed).as_json()
            except (UserError, OSError, ValueError, KeyError) as error:
                lacks.append(f"{type_}: {error}")
                continue
            events.append({**found, "topic": topic.name, "description": described(contracts, type_)})
    return {"events": events, "deployed": deployed, "lacks": lacks}


def described(contracts: Contracts, type_: str) -> str:
    """What an event means, as its schema says."""
    return str(contracts.events[type_].schema.get("description", ""))
