"""`shop release`, `shop can-i-deploy` and `shop who-reads`, for people and for machines."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from shop.cli import app
from shop.commands import can_i_deploy, who_reads
from shop.commands.can_i_deploy import show
from shop_contracts.answer.matrix import Answer, Row, Verdict
from shop_contracts.readers import Reader
from shop_stack.kafka_access import KafkaAccess
from shop_stack.target import Target, TargetMissing

TARGET = Target("embedded", {}, {}, "", KafkaAccess(""), {}, Path(), Path(), Path())
GREEN = Row("desk", "0.1.0", "reads orders", "orders.order-placed.v1", Verdict.YES, "0.1.0 (2026-11-29)")
RED = Row(
    "notifications",
    "0.1.0",
    "reads orders",
    "orders.order-confirmed.v1",
    Verdict.NO,
    "0.1.0 (2026-11-29)",
    "total",
    "notifications reads `total`, and orders does not send it.",
    "let orders send it",
)
FOREIGN = Row("t", "1 message", "is read by orders", "[bold]\x1b[31mred", Verdict.YES, "-")


def answer_of(*rows: Row) -> Answer:
    return Answer("orders", "0.2.0", "embedded", rows, ("a note",))


def text_of(answer: Answer, width: int = 200) -> str:
    console = Console(width=width, file=io.StringIO(), record=True)
    show(answer, console)
    return console.export_text()


def test_the_matrix_has_a_row_for_each_counterpart_and_ends_with_the_sentence() -> None:
    text = text_of(answer_of(GREEN, RED))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    assert lines[0].split("  ")[0] == "counterpart"
    assert "orders.order-confirmed.v1" in text
    assert "no total" in text
    assert "a note" in text
    assert lines[-1].startswith("No: orders 0.2.0 cannot be deployed to embedded.")
    assert lines[-1].endswith("Way out: let orders send it.")


def test_the_matrix_fits_into_80_columns_with_the_longest_names() -> None:
    row = Row(
        "notifications",
        "0.1.0+54a484464a3b",
        "reads notifications",
        "notifications.notification-sent.v1",
        Verdict.YES,
        "0.1.0 (2026-11-29)",
    )
    request = replace(row, subject="GET /orders/01980000-0000-7000-8000-00000000000a")
    again = replace(row, subject="GET /orders/01980000-0000-7000-8000-00000000000b")
    text = text_of(answer_of(row, request, again), 80)
    assert text.count("/orders/{id}") == 1
    lines = text.splitlines()
    assert "notifications reads notifications" in lines[1]
    assert "0.1.0+54a4844 " in lines[1]
    assert lines[2].split() == ["notifications.notification-sent.v1", "yes", "0.1.0", "(2026-11-29)"]
    assert lines[3].split()[:3] == ["GET", "/orders/{id}", "yes"]


def test_messages_of_one_topic_have_their_numbers_in_their_rows() -> None:
    two = replace(FOREIGN, subject="orders.order-placed.v1", version="2 messages")
    lines = text_of(answer_of(replace(FOREIGN, subject="a.b.v1"), two)).splitlines()
    assert lines[1].split() == ["t", "is", "read", "by", "orders"]
    assert [line.split()[:3] for line in lines[2:4]] == [
        ["a.b.v1", "1", "message"],
        ["orders.order-placed.v1", "2", "messages"],
    ]


def test_a_foreign_type_is_text_and_not_markup() -> None:
    assert "[bold]\ufffd[31mred" in text_of(answer_of(FOREIGN))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Answer]:
    """The answers that the command gets, last one first. The release that it asks about exists."""
    answers: list[Answer] = []

    @contextmanager
    def connect() -> Iterator[Target]:
        yield TARGET

    async def can_deploy(*_: object) -> Answer:
        return answers.pop()

    monkeypatch.setattr(can_i_deploy, "connect", connect)
    monkeypatch.setattr(can_i_deploy, "can_deploy", can_deploy)
    monkeypatch.setattr(can_i_deploy, "read", lambda *_: None)
    return answers


def test_yes_is_exit_code_0_and_no_is_1(asked: list[Answer]) -> None:
    asked += [answer_of(GREEN, RED), answer_of(GREEN)]
    command = ["can-i-deploy", "orders", "0.2.0", "--to", "embedded"]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert CliRunner().invoke(app, command).exit_code == 1


def test_without_a_version_the_newest_release_is_asked_about(
    asked: list[Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    named: list[object] = []
    monkeypatch.setattr(can_i_deploy, "newest", lambda _, service: f"newest of {service}")
    monkeypatch.setattr(can_i_deploy, "read", lambda *arguments: named.append(arguments[1:]))
    asked += [answer_of(GREEN), answer_of(GREEN)]
    CliRunner().invoke(app, ["can-i-deploy", "orders"])
    CliRunner().invoke(app, ["can-i-deploy", "orders", "0.1.0"])
    assert named == [("orders", "newest of orders"), ("orders", "0.1.0")]


def test_the_json_has_the_sentence_and_the_rows(asked: list[Answer]) -> None:
    asked += [answer_of(RED)]
    answer = CliRunner().invoke(app, ["can-i-deploy", "orders", "0.2.0", "--json"])
    facts = json.loads(answer.stdout)
    assert answer.exit_code == 1
    assert facts["deployable"] is False
    assert facts["rows"][0]["field"] == "total"
    assert facts["rows"][0]["verdict"] == "no"
    assert facts["sentence"].startswith("No: ")


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["can-i-deploy", "lamp", "0.1.0"], "There is no service 'lamp'"),
        (["can-i-deploy", "orders", "latest"], "'latest' is no version of a release"),
        (["can-i-deploy", "orders", "99.0.0"], "orders has no release 99.0.0"),
        (["release", "lamp"], "There is no service 'lamp'"),
        (["who-reads", "order-lost"], "There is no event 'order-lost'"),
        (
            ["who-reads", "order-placed", "--field", "nothing"],
            "orders.order-placed.v1 has no field 'nothing'",
        ),
    ],
)
def test_what_does_not_exist_is_one_sentence(
    command: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(who_reads, "deployed", dict)
    assert sentence in str(CliRunner().invoke(app, command).exception)


def test_the_readers_of_an_event_are_told_without_a_shop(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_shop() -> Target:
        raise TargetMissing("No shop runs")

    monkeypatch.setattr(who_reads, "connect", no_shop)
    answer = CliRunner().invoke(app, ["who-reads", "order-placed", "--json"])
    facts = json.loads(answer.stdout)
    assert answer.exit_code == 0
    assert facts["owner"] == "orders"
    assert {"inventory", "payments"} <= {reader["consumer"] for reader in facts["readers"]}
    assert {reader["deployed"] for reader in facts["readers"]} == {None}


def test_the_readers_are_a_table_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(who_reads, "deployed", lambda: {"inventory": "0.1.0"})
    text = CliRunner().invoke(app, ["who-reads", "order-placed", "--field", "lines[].sku"]).stdout
    assert "inventory" in text
    assert "0.1.0" in text
    assert "which orders publishes" in " ".join(text.split())


def test_a_field_that_is_read_where_it_is_present_says_so() -> None:
    reader = Reader("desk", "0.1.0", ("book_id",), pending=False, if_present=("fee",))
    assert who_reads.fields_of(reader) == "book_id, fee (if present)"
