"""The oracle that is asked again and again: its verdict is a metric, and unfinished work is never red."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shop_oracle import watching
from shop_oracle.evidence import Evidence
from shop_oracle.invariants import INVARIANTS
from shop_oracle.invariants.always import ALWAYS
from shop_oracle.looks import Look
from shop_oracle.looks import judge as judge_always
from shop_oracle.watching import NAMES, Board, judgements, watch
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess
from shop_stack.ports import free_port
from shop_stack.target import Target, TargetMissing
from testkit import eventually
from tools.observability.metrics_page import PAGE, entries_of, faults_of
from tools.oracle.tests.conftest import CONTRACTS

RED = "red: stock always adds up (1), stock is conserved (1)"
TARGET = Target("test", {}, {}, "", KafkaAccess("127.0.0.1:1"), {}, CONTRACTS, CONTRACTS, CONTRACTS)


class Series(NamedTuple):
    type: str
    help: str
    labels: frozenset[str]


def shop_with(monkeypatch: pytest.MonkeyPatch, evidence: Evidence, unrest: list[str]) -> None:
    """Let the oracle read this evidence, of a shop with this unfinished work."""

    async def rest(*_: Any) -> list[str]:
        return unrest

    async def gathered(*_: Any) -> Evidence:
        return evidence

    async def looked(_: Target) -> Look:
        return judge_always(evidence, [])

    monkeypatch.setattr(watching, "wait_for_rest", rest)
    monkeypatch.setattr(watching, "gather", gathered)
    monkeypatch.setattr(watching, "look", looked)


def violate_stock(evidence: Evidence) -> None:
    sku, product = next(iter(evidence.products.items()))
    evidence.products[sku] = replace(product, on_hand=product.on_hand + 1)


async def test_a_shop_at_rest_is_judged_by_all_invariants(
    clean: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop_with(monkeypatch, clean, [])
    found = (await judgements(TARGET, 1.0)).violations
    assert set(found) == set(NAMES)
    assert not any(found.values())


async def test_a_violation_at_rest_is_found_by_name(clean: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    shop_with(monkeypatch, clean, [])
    violate_stock(clean)
    found = (await judgements(TARGET, 1.0)).violations
    assert {name for name, violations in found.items() if violations} == {
        "stock_always_adds_up",
        "stock_is_conserved",
    }


async def test_a_busy_shop_is_judged_by_what_holds_at_every_moment_alone(
    clean: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean.orders = {
        order.id: replace(order, state="PENDING", ended_at=None) for order in clean.orders.values()
    }
    shop_with(monkeypatch, clean, ["9 orders PENDING"])
    found = (await judgements(TARGET, 1.0)).violations
    assert set(found) == {invariant.__name__ for invariant in ALWAYS}
    assert not any(found.values())


async def test_a_shop_that_is_busy_again_while_it_is_read_is_judged_as_a_busy_one(
    clean: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean.unrest = ["new events kept coming"]
    shop_with(monkeypatch, clean, [])
    assert set((await judgements(TARGET, 1.0)).violations) == {invariant.__name__ for invariant in ALWAYS}


def test_a_judgement_counts_until_the_same_invariant_is_judged_again(clean: Evidence) -> None:
    now = 0.0
    board = Board(clock=lambda: now)
    violate_stock(clean)
    board.note(judge_always(clean, []))
    assert board.red == {"stock_always_adds_up": 1}
    now = 60.0
    board.note(Look({"money_is_conserved": []}))
    assert board.red == {"stock_always_adds_up": 1}
    value = board.registry.get_sample_value
    ages = {name: value("shopfloor_oracle_age_seconds", {"invariant": name}) for name in NAMES}
    assert (ages["money_is_conserved"], ages["stock_always_adds_up"]) == (0.0, 60.0)
    board.note(Look({"stock_always_adds_up": []}))
    assert (board.red, value("shopfloor_oracle_violations", {"invariant": "stock_always_adds_up"})) == ({}, 0)


def test_the_verdict_is_one_line(clean: Evidence) -> None:
    board = Board()
    assert (board.sentence, board.is_green) == ("green: no invariant is violated", True)
    violate_stock(clean)
    board.note(Look(judge_always(clean, []).violations, ["log", "orders"]))
    assert (board.sentence, board.is_green) == (
        "red: stock always adds up (1); not judged: log, orders cannot be read",
        False,
    )


def test_a_round_that_judges_nothing_is_not_green() -> None:
    board = Board()
    board.note(Look({}, ["analytics", "orders"]))
    assert (board.sentence, board.is_green) == ("not judged: analytics, orders cannot be read", False)
    board.note(Look({name: [] for name in NAMES}))
    assert board.is_green


async def scraped(port: int) -> Mapping[str, Series]:
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
    return {
        family.name: Series(
            family.type,
            family.documentation,
            frozenset(label for one in family.samples for label in one.labels),
        )
        for family in text_string_to_metric_families(text)
    }


async def test_what_is_served_is_what_the_page_of_metrics_lists() -> None:
    port = free_port()
    with Board().served("127.0.0.1", port):
        assert faults_of(entries_of(PAGE.read_text()), "oracle", "all", await scraped(port)) == []
        with pytest.raises(UserError, match="in use"), Board().served("127.0.0.1", port):
            pass
    assert len(NAMES) == len(INVARIANTS) + len(ALWAYS) - 1, "one invariant is in both lists"


async def test_it_is_asked_again_and_tells_what_has_changed_until_it_is_ended(
    clean: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop_with(monkeypatch, clean, [])
    board = Board()
    told: list[str] = []
    asked = asyncio.create_task(watch(lambda: TARGET, board, 0.01, 0.1, told.append))

    async def says(end: str) -> None:
        assert told[-1:] == [end]

    await eventually(lambda: says("green: no invariant is violated"), 10)
    violate_stock(clean)
    await eventually(lambda: says(RED), 10)

    async def unreadable(*_: Any) -> list[str]:
        raise UserError("The log cannot be read.")

    monkeypatch.setattr(watching, "wait_for_rest", unreadable)
    await eventually(lambda: says(f"{RED}; not judged: The log cannot be read."), 10)
    assert board.red.keys() == {"stock_always_adds_up", "stock_is_conserved"}
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(asked, 10)


async def test_each_round_asks_for_the_shop_anew_because_its_passwords_may_have_changed(
    clean: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop_with(monkeypatch, clean, [])
    board, asked = Board(), list[Target]()

    def shop() -> Target:
        asked.append(TARGET)
        if len(asked) == 2:
            raise TargetMissing("No shop runs.")
        return TARGET

    told: list[str] = []
    watched = asyncio.create_task(watch(shop, board, 0.01, 0.1, told.append))

    async def is_green_again() -> None:
        green = "green: no invariant is violated"
        assert told == [green, "not judged: No shop runs.", green]

    await eventually(is_green_again, 10)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(watched, 10)


def test_no_service_knows_the_oracle() -> None:
    root = Path(__file__).parents[3]
    sources = [*root.glob("services/*/src/**/*.py"), *root.glob("libs/chassis/src/**/*.py")]
    assert len(sources) > 50
    assert [file for file in sources if "oracle_violations" in file.read_text()] == []
