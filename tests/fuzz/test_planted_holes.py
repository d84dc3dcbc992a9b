"""Mutants through the real inbox of inventory on a real database: none is a finding, and a planted hole is found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from chassis.events import RawMessage
from chassis.inbox import Inbox, reading
from chassis.inbox.dead_letters import DeadLetter
from chassis.outbox import Database
from chassis.tuning import planner
from inventory import subscriptions
from shop_lab.experiments.foreign_inputs.input import Place
from shop_lab.fuzz.mutants import Contracts, Spec, make, read_contracts
from shop_lab.fuzz.readers import Rules
from shop_lab.fuzz.sorting import Finding, Sent, sort
from shop_lab.fuzz.traces import traces_in
from shop_stack.paths import repository
from testkit.databases import MakeDatabase

READER, TOPIC = "inventory", "orders.order.v1"
MUTANTS, BATCH = 400, 50
CONTRACTS = repository() / "contracts"


def mutants(contracts: Contracts, rules: Rules) -> list[tuple[Sent, RawMessage]]:
    """Mutants of the topic, each with its message. Those whose batch is damaged reach no inbox."""
    found: list[tuple[Sent, RawMessage]] = []
    for number in range(10_000):
        mutant = make(contracts, Spec(1, number))
        draft = mutant.draft
        if draft.topic.name != TOPIC or draft.to_batch:
            continue
        place = Place(TOPIC, 0, len(found))
        headers = [(name.decode(errors="backslashreplace"), value) for name, value in draft.headers]
        message = RawMessage(TOPIC, (0, place.offset), draft.key, draft.value, headers)
        found.append((Sent(mutant, rules.judge(draft), [place]), message))
        if len(found) == MUTANTS:
            break
    return found


async def findings(database: MakeDatabase) -> list[Finding]:
    """What became of mutants at a new inbox of inventory."""
    fresh = await database(READER)
    given = mutants(read_contracts(CONTRACTS), Rules(CONTRACTS))
    opened = Database(fresh.url, server_settings=planner.SERVER_SETTINGS)
    inbox = Inbox(opened, READER, subscriptions.SUBSCRIPTIONS, retries_at_once=True, breaker_keys=0)
    for first in range(0, len(given), BATCH):
        await inbox.process([message for _, message in given[first : first + BATCH]])
    await opened.close()
    connection = await asyncpg.connect(fresh.url)
    traces = await traces_in(connection)
    await connection.close()
    return [
        one
        for one in sort([sent for sent, _ in given], dict.fromkeys(rules_readers(given), traces)).findings
        if one.reader == READER
    ]


def rules_readers(given: Sequence[tuple[Sent, RawMessage]]) -> set[str]:
    """All readers of the topic: the sorting asks for each."""
    return {reader for sent, _ in given for reader in sent.mutant.draft.topic.readers}


async def test_each_mutant_is_handled_or_a_dead_letter(database: MakeDatabase) -> None:
    assert await findings(database) == []


async def test_a_handler_that_raises_without_a_dead_letter_is_found(
    database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forget(self: Inbox, events: Any) -> list[RawMessage]:
        return []  # as if each were handled

    monkeypatch.setattr(Inbox, "_take_one_by_one", forget)
    found = await findings(database)
    assert {one.what for one in found} == {"neither handled nor a dead letter"}
    assert all(one.as_json()["again"].startswith("shop fuzz events --only 1:") for one in found)


async def test_a_message_that_is_skipped_because_it_cannot_be_read_is_found(
    database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = reading.classify

    def skip(*given: Any) -> reading.ClassifiedBatch:
        dead: list[DeadLetter] = []
        return whole(*given)._replace(dead=dead)

    monkeypatch.setattr("chassis.inbox.inbox.classify", skip)
    assert len(await findings(database)) > MUTANTS / 4


async def test_a_reader_that_takes_what_it_must_refuse_is_found(
    database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.events.model._is_json", lambda data: True)
    found = await findings(database)
    assert {one.what for one in found} == {"handled, although its data is no JSON"}
