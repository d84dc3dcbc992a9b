"""A type that a provider sends and a reader of its topic does not know is a no, before the first message is sent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from shop_contracts.answer import question
from shop_contracts.answer.decoding import Outcome, Refusal
from shop_contracts.answer.findings import Report
from shop_contracts.answer.matrix import Answer
from shop_contracts.answer.pairs import Pair, Party
from shop_contracts.answer.question import Means, can_deploy
from shop_contracts.answer.running import Running
from shop_contracts.answer.stored import Group, Message
from shop_contracts.releases.model import Release
from shop_contracts.releases.sending import topics_of_sent_types
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess
from shop_stack.target import Target
from tools.contracts.tests.mini_clone import LENT, TOPIC, TOPICS, Clone

TARGET = Target("embedded", {}, {}, "", KafkaAccess(""), {}, Path(), Path(), Path())
LENT_V2 = "shelf.book-lent.v2"
EVENTS = f'''
class BookLent(PublishedEvent, type="{LENT}", topic="{TOPIC}", key="book_id"):
    """A book was lent."""


class BookLentV2(events.PublishedEvent, type="{LENT_V2}", topic="{TOPIC}", key="book_id"):
    """A book was lent, with its reader."""
'''
HANDLERS = "from shelf.events import BookLent, BookLentV2\n\n\ndef lend(tx):\n"
SENDS_V1 = f"{HANDLERS}    tx.publish(BookLent())\n"
SENDS_BOTH = f"{SENDS_V1}    tx.publish(events.BookLentV2())\n"
SENDS_V2 = f"{HANDLERS}    tx.publish(BookLentV2())\n"


def release_of_shelf(clone: Clone, handlers: str, version: str = "0.1.0") -> Release:
    """A release of shelf whose topic declares both versions of the event."""
    clone.write("contracts/topics.yaml", TOPICS.replace(f"[{LENT}]", f"[{LENT}, {LENT_V2}]"))
    schema = (clone.root / "contracts/events/shelf.book-lent/v1.schema.json").read_text()
    clone.write("contracts/events/shelf.book-lent/v2.schema.json", schema)
    clone.write("services/shelf/src/shelf/events.py", EVENTS)
    clone.write("services/shelf/src/shelf/handlers.py", handlers)
    return clone.release("shelf", version)


async def ask(
    clone: Clone,
    monkeypatch: pytest.MonkeyPatch,
    asked: Release,
    beside: Release,
    known: Sequence[str] = (LENT,),
    schema: str = "",
) -> Answer:
    """The answer about a release while another service runs. `known`: the types that desk handles or ignores."""

    async def running(_: Target) -> dict[str, Running]:
        own = Running(asked.service, asked.version, asked.commit, schema=schema)
        return {asked.service: own, beside.service: Running(beside.service, beside.version, beside.commit)}

    async def stored(*_: object) -> list[Group]:
        return []

    async def compare(_: Path, provider: Party, pairs: Sequence[Pair]) -> Report:
        return Report((), frozenset(pair.consumer.name for pair in pairs))

    async def decode(_: Path, release: Release, messages: Sequence[Message]) -> list[Outcome]:
        assert release.service == "desk"
        refusals = {True: Refusal("schema-violation", "no data"), False: Refusal("unknown-type", "not known")}
        return [refusals[message.type in known] for message in messages]

    monkeypatch.setattr(question, "running", running)
    monkeypatch.setattr(question, "stored", stored)
    return await can_deploy(clone.root, asked, TARGET, means=Means(compare, decode))


def test_a_declared_type_whose_class_is_used_nowhere_is_not_sent(clone: Clone) -> None:
    for number, (handlers, sent) in enumerate(
        [(SENDS_V1, [LENT]), (SENDS_BOTH, [LENT, LENT_V2]), (SENDS_V2, [LENT_V2])], start=1
    ):
        release = release_of_shelf(clone, handlers, f"0.{number}.0")
        assert topics_of_sent_types(clone.root, release.commit, "shelf") == dict.fromkeys(sent, TOPIC)
        assert set(release.publishes) == {LENT, LENT_V2}


def test_a_type_without_a_class_counts_as_sent(clone: Clone) -> None:
    release = clone.release("shelf")
    assert topics_of_sent_types(clone.root, release.commit, "shelf") == {LENT: TOPIC}


def test_a_module_that_is_no_python_is_named(clone: Clone) -> None:
    release = release_of_shelf(clone, "def :\n")
    with pytest.raises(UserError, match=r"services/shelf/src/shelf/handlers\.py is no Python"):
        topics_of_sent_types(clone.root, release.commit, "shelf")


async def test_a_second_version_that_is_only_declared_is_a_yes(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = clone.release("desk")
    assert (await ask(clone, monkeypatch, release_of_shelf(clone, SENDS_V1), desk)).yes


async def test_a_type_that_the_reader_handles_or_ignores_is_a_yes(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = clone.release("desk")
    shelf = release_of_shelf(clone, SENDS_BOTH)
    assert (await ask(clone, monkeypatch, shelf, desk, (LENT, LENT_V2))).yes


async def test_a_type_that_the_reader_does_not_know_is_a_no_with_reader_event_and_way_out(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = clone.release("desk")
    answer = await ask(clone, monkeypatch, release_of_shelf(clone, SENDS_BOTH), desk)
    [row] = answer.blocking
    assert (row.counterpart, row.version, row.direction, row.subject, row.field) == (
        "desk",
        "0.1.0",
        "reads shelf",
        LENT_V2,
        "ce_type",
    )
    assert answer.sentence == (
        f"No: shelf 0.1.0 cannot be deployed to embedded. desk 0.1.0 does not know {LENT_V2}, which shelf 0.1.0 sends "
        f"on {TOPIC}: each one becomes a dead letter. Way out: deploy a release of desk first that handles or ignores "
        "it, or let shelf not send it yet."
    )


async def test_a_version_that_is_no_longer_sent_is_named(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = clone.release("desk")
    answer = await ask(clone, monkeypatch, release_of_shelf(clone, SENDS_V2), desk)
    [row] = answer.blocking
    assert row.reason.endswith(f"a dead letter, and desk misses {LENT}, which is no longer sent.")


async def test_a_reader_that_goes_back_before_the_type_is_a_no(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = clone.release("desk")
    answer = await ask(clone, monkeypatch, desk, release_of_shelf(clone, SENDS_BOTH))
    [row] = answer.blocking
    assert (row.counterpart, row.direction, row.subject) == ("shelf", "is read by desk", LENT_V2)
    assert (
        row.way_out
        == "let desk handle or ignore it, or deploy a release of shelf first that does not send it"
    )


async def test_a_service_that_does_not_read_the_topic_is_not_asked(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone.write("contracts/asyncapi/desk.yaml", "operations: {}\n")
    (clone.root / "contracts/consumers/desk/shelf.json").unlink()
    desk = clone.release("desk")
    assert (await ask(clone, monkeypatch, release_of_shelf(clone, SENDS_BOTH), desk)).yes


@pytest.mark.parametrize(("schema", "is_yes"), [("", True), ("0003", True), ("0004", False)])
async def test_tables_that_are_too_far_ahead_are_a_no(
    clone: Clone, monkeypatch: pytest.MonkeyPatch, schema: str, is_yes: bool
) -> None:
    first = clone.release("shelf")
    for version, number in (("0.2.0", 3), ("0.3.0", 4)):
        text = f'revision = "{number:04}"\ndown_revision = "{number - 1:04}"\n'
        clone.write(f"services/shelf/migrations/versions/{number:04}_x.py", text)
        clone.release("shelf", version)
    answer = await ask(clone, monkeypatch, first, clone.release("desk"), schema=schema)
    assert answer.yes == is_yes
    assert ("made by shelf 0.3.0" in answer.sentence) == (not is_yes)
