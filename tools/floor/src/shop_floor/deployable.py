"""Whether the newest release of each service can be deployed beside what runs, as `shop can-i-deploy` says."""

from __future__ import annotations

from typing import Any

from shop_contracts.answer.matrix import without_ids
from shop_floor import programs
from shop_floor.jobs import Tell
from shop_observe.timeline import shown
from shop_stack.errors import UserError
from shop_stack.target import Target

SECONDS = 900.0
"""The longest time for one service: a pair that was never verified needs the environment of a release."""
MOST_ROWS = 200
"""The rows of one service that the page gets."""
MOST_CHARACTERS = 600
FIELDS = ("counterpart", "version", "direction", "subject", "verdict", "since", "field", "reason", "way_out")


async def ask_all(target: Target, tell: Tell) -> dict[str, Any]:
    """The answer for each service, one after the other: each reads the log, and may build environments."""
    services = list(target.management_urls)
    answers: list[dict[str, Any]] = []
    lacks: list[str] = []
    for number, service in enumerate(services, 1):
        tell(f"{service} is compared with everything that runs ({number} of {len(services)}).")
        try:
            ended = await programs.shop(target, "can-i-deploy", service, "--json", seconds=SECONDS)
            answers.append(told(programs.read(ended), services))
        except UserError as error:
            lacks.append(f"{service}: {error}")
    return {"services": services, "answers": answers, "lacks": lacks}


def told(answer: dict[str, Any], services: list[str]) -> dict[str, Any]:
    """One answer for the page: its rows, and the worst verdict by counterpart. Foreign texts are shortened.

    What is no service, such as stored messages and tables, is the counterpart `stored`.
    """
    rows = [row_of(row) for row in answer["rows"]]
    rows = list({tuple(row.items()): row for row in rows}.values())
    cells: dict[str, dict[str, Any]] = {}
    for row in rows:
        cell = cells.setdefault(row["counterpart"] if row["counterpart"] in services else "stored", empty())
        cell["rows"] += 1
        cell["verdict"] = worse(cell["verdict"], row["verdict"])
    return {
        "service": str(answer["service"]),
        "version": str(answer["version"]),
        "deployable": bool(answer["deployable"]),
        "sentence": shown(str(answer["sentence"]), MOST_CHARACTERS),
        "notes": [shown(str(note), MOST_CHARACTERS) for note in answer["notes"][:20]],
        "cells": cells,
        "rows": rows[:MOST_ROWS],
        "more": max(0, len(rows) - MOST_ROWS),
    }


def row_of(row: dict[str, Any]) -> dict[str, str]:
    found = {name: shown(str(row[name]), MOST_CHARACTERS) for name in FIELDS}
    return {**found, "subject": without_ids(found["subject"])}


def empty() -> dict[str, Any]:
    return {"rows": 0, "verdict": "yes"}


def worse(one: str, other: str) -> str:
    """The verdict that decides."""
    order = ("yes", "pending", "no")
    return max(one, other, key=lambda verdict: order.index(verdict) if verdict in order else len(order))
