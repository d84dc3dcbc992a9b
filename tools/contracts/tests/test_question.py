"""The answer to "can this release be deployed there?", from what runs to the sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from shop_contracts.answer import question
from shop_contracts.answer.decoding import Outcome, Refusal
from shop_contracts.answer.findings import Finding, Report
from shop_contracts.answer.matrix import Answer, Row, Verdict, sorted_rows
from shop_contracts.answer.pairs import Pair, Party
from shop_contracts.answer.question import Means, can_deploy
from shop_contracts.answer.running import Running
from shop_contracts.answer.stored import Group, Groups, Message
from shop_contracts.releases.model import Release
from shop_stack.kafka_access import KafkaAccess
from shop_stack.target import Target
from tools.contracts.tests.mini_clone import LENT, TOPIC, Clone

TARGET = Target("embedded", {}, {}, "", KafkaAccess(""), {}, Path(), Path(), Path())
FINDING = Finding(
    "desk", LENT, "fee", f"desk reads `fee` of '{LENT}', and shelf does not send it.", "", False
)


def message(place: str, source: str = TOPIC) -> tuple[str, Message]:
    """A stored message, and its source."""
    headers = (("ce_type", LENT.encode()), ("ce_subject", b"k"))
    value = b'{"%b": 1}' % place.encode()
    return source, Message(place, TOPIC, 3, 17, b"k", value, headers, 1_760_000_000_000)


@dataclass
class Shop:
    """A shop of which a test says what runs, what is stored, and what the releases find."""

    clone: Clone
    runs: dict[str, Running] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    messages: Sequence[tuple[str, Message]] = ()
    refused_by: Callable[[Release], bool] = lambda _: False
    read: list[str] = field(default_factory=list)

    def run(self, release: Release) -> None:
        self.runs[release.service] = Running(release.service, release.version, release.commit)

    async def running(self, _: Target) -> dict[str, Running]:
        return self.runs

    async def stored(self, root: Path, release: Release, target: Target) -> list[Group]:
        groups = Groups()
        for source, one in self.messages:
            groups.add(source, one)
        return groups.all()

    async def compare(self, _: Path, provider: Party, pairs: Sequence[Pair]) -> Report:
        return Report(self.findings, frozenset(pair.consumer.name for pair in pairs))

    async def decode(self, _: Path, release: Release, messages: Sequence[Message]) -> list[Outcome]:
        self.read.append(release.version)
        refusal = Refusal("schema-violation", "fee: Field required") if self.refused_by(release) else None
        return [refusal for _ in messages]

    async def ask(self, release: Release) -> Answer:
        return await can_deploy(self.clone.root, release, TARGET, means=Means(self.compare, self.decode))


@pytest.fixture
def shop(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> Shop:
    made = Shop(clone)
    monkeypatch.setattr(question, "running", made.running)
    monkeypatch.setattr(question, "stored", made.stored)
    return made


async def test_yes_if_every_row_is_compatible(shop: Shop) -> None:
    shop.run(shop.clone.release("desk"))
    answer = await shop.ask(shop.clone.release("shelf"))
    assert answer.yes
    assert [(row.counterpart, row.version, row.direction, row.subject, row.since) for row in answer.rows] == [
        ("desk", "0.1.0", "reads shelf", LENT, "0.1.0 (2026-11-29)")
    ]
    assert answer.sentence == (
        "Yes: shelf 0.1.0 can be deployed to embedded; all 1 rows of 1 counterparts are compatible."
    )


def test_several_answers_of_one_request_are_one_row() -> None:
    row = Row("shop", "this clone", "reads shelf", "GET /books", Verdict.YES, "-")
    other = replace(row, verdict=Verdict.NO, field="fee")
    assert sorted_rows([row, other, row]) == (row, other)


async def test_no_names_consumer_field_and_way_out(shop: Shop) -> None:
    shop.run(shop.clone.release("desk"))
    shop.findings = (FINDING,)
    answer = await shop.ask(shop.clone.release("shelf"))
    assert not answer.yes
    [row] = answer.blocking
    assert (row.counterpart, row.field, row.verdict) == ("desk", "fee", Verdict.NO)
    assert answer.sentence == (
        f"No: shelf 0.1.0 cannot be deployed to embedded. desk reads `fee` of '{LENT}', and shelf does not send it. "
        "Way out: let shelf send it as before until no deployed release of desk reads it, or deploy a release of desk "
        "first that does not."
    )
    assert answer.as_json()["deployable"] is False


async def test_the_way_out_of_a_consumer_is_to_deploy_its_provider_first(shop: Shop) -> None:
    shop.run(shop.clone.release("shelf"))
    shop.findings = (FINDING,)
    answer = await shop.ask(shop.clone.release("desk"))
    assert (
        "Way out: deploy a release of shelf first that sends it, or let desk do without it."
        in answer.sentence
    )
    assert [row.direction for row in answer.rows] == ["is read by desk"]


async def test_what_is_pending_does_not_block(shop: Shop) -> None:
    shop.run(shop.clone.release("desk"))
    shop.findings = (Finding("desk", LENT, "fee", FINDING.reason, "", pending=True),)
    answer = await shop.ask(shop.clone.release("shelf"))
    assert answer.yes
    assert [row.verdict for row in answer.rows] == [Verdict.PENDING]


async def test_a_service_that_does_not_answer_is_a_no_with_its_name(shop: Shop) -> None:
    shop.runs["desk"] = Running(
        "desk", "unknown", "unknown", "http://localhost:1 does not answer (ConnectError)"
    )
    answer = await shop.ask(shop.clone.release("shelf"))
    assert not answer.yes
    assert "desk does not say what runs: http://localhost:1 does not answer" in answer.sentence


async def test_the_service_itself_need_not_run(shop: Shop) -> None:
    shop.run(shop.clone.release("desk"))
    shop.runs["shelf"] = Running("shelf", "unknown", "unknown", "it does not answer")
    assert (await shop.ask(shop.clone.release("shelf"))).yes


async def test_stored_messages_are_a_row_with_their_number(shop: Shop) -> None:
    shop.messages = [message("a"), message("a"), message("b")]
    answer = await shop.ask(shop.clone.release("desk"))
    [row] = answer.rows
    assert (row.counterpart, row.version, row.subject, row.since) == (
        TOPIC,
        "3 messages",
        LENT,
        "2025-10-09 08:53",
    )


async def test_a_stored_message_that_only_the_new_release_refuses_is_a_no_with_its_place(shop: Shop) -> None:
    present = shop.clone.release("desk")
    shop.run(present)
    shop.clone.write("services/desk/src/desk/__init__.py", "NEW = True\n")
    new = shop.clone.release("desk", "0.2.0")
    shop.messages = [message(f"{TOPIC}[3]@17")]
    shop.refused_by = lambda release: release.version == "0.2.0"
    answer = await shop.ask(new)
    [row] = answer.blocking
    assert row.field == "fee"
    assert row.reason == (
        f"desk could not read `fee` of {LENT} at {TOPIC}[3]@17: fee: Field required "
        "(schema-violation, 1 message of this shape)."
    )
    assert f"until the last message of it has left {TOPIC}" in row.way_out
    assert shop.read == ["0.2.0", "0.1.0"]


async def test_a_message_that_no_release_reads_is_a_note(shop: Shop) -> None:
    shop.run(shop.clone.release("desk"))
    shop.clone.write("services/desk/src/desk/__init__.py", "NEW = True\n")
    shop.messages = [message("dead letter 7", "dead letters")]
    shop.refused_by = lambda _: True
    answer = await shop.ask(shop.clone.release("desk", "0.2.0"))
    assert answer.yes
    assert answer.rows == ()
    assert answer.notes == (
        "dead letter 7 (1 of this shape) cannot be read by the present release either: fee: Field required.",
    )
