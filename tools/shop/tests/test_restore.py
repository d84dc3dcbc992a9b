"""`shop restore`: what a service has forgotten, what cannot be made whole, and input that is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from rich.console import Console
from typer.testing import CliRunner

from shop.cli import app
from shop.commands import restore as command
from shop.restore import findings, known, run
from shop.restore.findings import Stock
from shop_observe.kafka_log import Entry, Log
from shop_observe.topics import Topic
from shop_oracle.evidence import Movement
from shop_stack import archive, embedded
from shop_stack.errors import UserError
from shop_stack.process import Daemon
from shop_stack.stack import Stack

NOW = datetime(2026, 11, 29, 12, 30, tzinfo=UTC)
OWN, OTHERS = "orders.order.v1", "payments.payment.v1"
ORDERS = Topic(OWN, "orders", ("payments",), ("orders.order-placed.v1",), compacted=False)
PAYMENTS = Topic(OTHERS, "payments", ("orders",), ("payments.payment-captured.v1",), compacted=False)


def entry(
    id: str, offset: int = 0, at: datetime = NOW, topic: str = OWN, type_: str = "t", key: str = "k"
) -> Entry:
    return Entry(topic, 0, offset, 0, key, id, "/s", type_, key, "", "", at.isoformat(), b"{}")


def test_forgotten_are_the_own_events_that_the_outbox_lacks_once_and_in_order() -> None:
    old = entry("old", at=NOW - timedelta(hours=1))
    foreign = replace(entry("foreign"), fault="it has no ce_type")
    log = [
        entry("b", 2),
        entry("a", 1),
        entry("a", 3),
        entry("known", 4),
        old,
        foreign,
        entry("x", topic=OTHERS),
    ]
    assert [each.id for each in known.forgotten(log, {OWN}, {"known"}, NOW)] == ["a", "b"]


def test_an_event_that_was_decided_before_the_time_and_committed_after_it_is_forgotten() -> None:
    late = entry("late", at=NOW - timedelta(minutes=1))
    assert known.forgotten([late], {OWN}, (), NOW) == [late]


def test_a_group_reads_again_from_the_first_event_that_its_inbox_lacks() -> None:
    log = [entry("read", 1), entry("new", 2), entry("later", 3), entry("other", 0, type_="not-read")]
    firsts = known.first_unread(log, {"t"}, {OWN}, {("/s", "read")}, ())
    assert firsts == {TopicPartition(OWN, 0): 2}


def test_a_dead_letter_counts_as_read_and_a_foreign_record_without_one_does_not() -> None:
    letter, foreign = entry("letter", 1), replace(entry("foreign", 2, type_="unknown"), fault="no JSON")
    assert known.first_unread([letter], {"t"}, {OWN}, (), {(OWN, 0, 1)}) == {}
    assert known.first_unread([letter, foreign], {"t"}, {OWN}, (), {(OWN, 0, 1)}) == {
        TopicPartition(OWN, 0): 2
    }


def sources(log: Log) -> run.Sources:
    return run.Sources([ORDERS, PAYMENTS], frozenset(), log, ())


@pytest.mark.parametrize("topic", [OWN, OTHERS])
def test_a_time_before_the_first_event_that_kafka_has_is_refused(topic: str) -> None:
    log = Log([], {topic: NOW})
    with pytest.raises(UserError, match="could not be made whole: choose a later time"):
        run.require_remembered(sources(log), "orders", NOW - timedelta(minutes=1))
    run.require_remembered(sources(log), "orders", NOW + timedelta(minutes=1))


# --- What cannot be made whole --------------------------------------------------------------------


def test_an_order_that_payments_tells_of_ends_cancelled_and_its_customer_is_to_be_told() -> None:
    log = [
        entry("r", key="lost", type_="inventory.stock-reserved.v1"),
        entry("c", key="lost", type_="payments.payment-captured.v1"),
        entry("d", key="known", type_="payments.payment-captured.v1"),
    ]
    [found] = findings.lost_orders(log, {"known"}, set())
    assert (found.subject, found.cure) == ("order lost", "shop watch lost")
    assert "its stock is released, and its payment refunded" in found.what


@pytest.mark.parametrize("handled", [(), ("c",)])
def test_stock_of_a_lost_order_that_no_event_will_release_names_the_command(handled: tuple[str, ...]) -> None:
    log = [entry("r", key="lost", type_="inventory.stock-reserved.v1")]
    if handled:
        log.append(entry("c", key="lost", type_="payments.payment-captured.v1"))
    [found] = findings.lost_orders(log, set(), set(handled))
    assert found.cure == "shop send order-cancelled --set order_id=lost --set reason=unknown_order"


def test_a_lost_order_whose_stock_was_released_is_whole() -> None:
    types = ("inventory.stock-reserved.v1", "inventory.stock-released.v1")
    assert findings.lost_orders([entry("x", key="lost", type_=each) for each in types], set(), set()) == []


def test_a_charge_that_payments_will_never_know_is_named_with_the_request_that_refunds_it() -> None:
    ledger = [
        Movement("charge", "ch_1", "known", 1, "EUR"),
        Movement("charge", "ch_2", "open", 25, "EUR"),
        Movement("charge", "ch_3", "refunded", 1, "EUR"),
        Movement("refund", "ch_3", "refunded", 1, "EUR"),
    ]
    [found] = findings.open_charges(ledger, {"known"})
    assert found.subject == "order open"
    assert "/charges/ch_2/refunds" in found.cure
    assert '{"amount_minor": 25, "currency": "EUR"}' in found.cure


def test_stock_that_no_event_tells_is_named_with_its_pieces_if_the_former_database_has_them() -> None:
    before = {"MUG": Stock(10, 0), "PEN": Stock(5, 0)}
    after = {"MUG": Stock(10, 0), "PEN": Stock(5, 2), "NEW": Stock(0, 1)}
    assert findings.unknown_stock(before, before, before) == []
    by_former = findings.unknown_stock(
        before, after, {"MUG": Stock(10, 7), "PEN": Stock(5, 2), "NEW": Stock(9, 0)}
    )
    assert [(f.subject, '"quantity": ' in f.cure) for f in by_former] == [
        ("product MUG", True),
        ("product NEW", True),
    ]
    assert '"quantity": 7' in by_former[0].cure
    assert '"quantity": 8' in by_former[1].cure
    assert [f.subject for f in findings.unknown_stock(before, after, {})] == ["product PEN", "product NEW"]


# --- Input ----------------------------------------------------------------------------------------


def test_a_time_is_iso_8601_or_a_duration_ago() -> None:
    assert command.time_of("2026-11-29T12:00:00", NOW) == NOW - timedelta(minutes=30)
    assert command.time_of("2026-11-29T13:00:00+01:00", NOW) == NOW - timedelta(minutes=30)
    assert command.time_of("90s", NOW) == NOW - timedelta(seconds=90)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("2026-11-29T12:31:00Z", "is in the future"),
        ("0s", "is in the future"),
        ("9999999999d", "before the year 1"),
        ("noon", "'noon' is no time"),
    ],
)
def test_another_time_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        command.time_of(text, NOW)


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack of which every part but orders seems to run."""
    monkeypatch.setattr(Daemon, "process", lambda daemon: None if daemon.name == "orders" else daemon)
    return embedded.stack(tmp_path / "state", 28_000)


def test_an_archive_without_a_backup_says_how_to_take_one(stack: Stack) -> None:
    archive.switch_on(stack)
    with pytest.raises(UserError, match="There is no base backup yet.*`shop backup` takes one"):
        command.archive_for(stack, "orders", NOW)


def test_the_newest_backup_before_the_time_is_used_and_an_earlier_time_is_refused(stack: Stack) -> None:
    archive.switch_on(stack)
    for name in ("20261129T120000Z", "20261129T121000Z", "20261129T124000Z", "unfinished"):
        (archive.bases_folder(stack) / name).mkdir()
    assert command.archive_for(stack, "orders", NOW).folder.name == "20261129T121000Z"
    with pytest.raises(UserError, match="choose a time from 2026-11-29T12:00:00Z on"):
        command.archive_for(stack, "orders", NOW - timedelta(hours=1))


def test_a_service_that_runs_and_a_server_that_does_not_are_refused(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.switch_on(stack)
    with pytest.raises(UserError, match="payments runs.*`shop stop payments` first"):
        command.archive_for(stack, "payments", NOW)
    for part in ("postgres", "kafka", "processor"):
        away = ("orders", part)
        monkeypatch.setattr(
            Daemon, "process", lambda daemon, away=away: None if daemon.name in away else daemon
        )
        with pytest.raises(UserError, match=f"`shop start {part}`"):
            command.archive_for(stack, "orders", NOW)


def test_an_unknown_service_and_a_shop_without_an_archive_are_one_sentence_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_STATE", str(tmp_path))
    asked = CliRunner().invoke(app, ["restore", "warehouse", "--to", "10m"])
    assert "There is no service 'warehouse': it is one of orders" in str(asked.exception)
    for arguments in (["restore", "orders", "--to", "10m"], ["backup"]):
        refused = CliRunner().invoke(app, arguments).exception
        assert "keeps no backup: `shop up --archive` switches it on" in str(refused)


def test_a_shop_that_does_not_run_says_how_to_start_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_STATE", str(tmp_path / "state"))
    archive.switch_on(embedded.stack())
    for arguments in (["restore", "orders", "--to", "10m"], ["backup"]):
        assert "Start one with `shop up`" in str(CliRunner().invoke(app, arguments).exception)


def test_the_outcome_is_printed_with_each_cure(capsys: pytest.CaptureFixture[str]) -> None:
    lost = findings.Finding("order 7", "it is gone", "shop why 7")
    outcome = run.Outcome(
        "orders", "2026", "2025", "orders_former", {"t.v1": 3}, 1, {"x[0]": 2, "x[1]": 3}, [lost]
    )
    command.show(outcome, Console())
    printed = capsys.readouterr().out
    for part in (
        "     3 t.v1",
        "     1 events",
        "     5 records",
        "orders_former",
        "order 7: it is gone.",
        "shop why 7",
    ):
        assert part in printed
    assert json.loads(json.dumps(outcome.as_json()))["not_whole"][0]["cure"] == "shop why 7"
