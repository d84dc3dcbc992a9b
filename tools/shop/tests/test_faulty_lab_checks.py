"""The checks of labs that inject faults: each holds, and each says what is missing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from shop.labs import faulty
from shop.labs.checks import looks_at_events
from shop.labs.evidence import Evidence, PlacedOrder, Start
from shop.labs.reports import Reports, read_reports
from shop.labs.shipping import Shipping, released_since
from shop_observe.kafka_log import Entry

PARTS = {"process/payments": "10@100.0"}


def evidence(
    *placed: PlacedOrder, parts: dict[str, str] = PARTS, ids: tuple[str, ...] = (), **reports: object
) -> Evidence:
    events = [
        Entry("t", 0, 0, 0, "k", id_, "", "orders.order-placed.v1", "", "", "", "", b"{}") for id_ in ids
    ]
    found = Reports(**reports)  # type: ignore[arg-type]
    return Evidence(Start(50.0, PARTS), parts, placed, Shipping(events=events), found)


def test_a_part_that_was_restarted_is_not_kept() -> None:
    assert faulty.kept(evidence(), "process/payments") == ""
    for other in ("11@200.0", ""):
        found = faulty.kept(evidence(parts={"process/payments": other}), "process/payments")
        assert found.startswith("payments is not the process that ran at the start")


def test_the_order_that_took_longest_counts() -> None:
    slow, quick, pending = PlacedOrder(60.0, 75.0), PlacedOrder(60.0, 61.0), PlacedOrder(60.0, None)
    assert faulty.took(evidence(quick, slow), "12") == ""
    assert faulty.took(evidence(quick, pending), "12").startswith("no order took 12 s to end")
    assert faulty.took(evidence(), "12") != ""


def test_an_event_was_sent_twice_if_one_id_is_there_twice() -> None:
    assert faulty.sent_twice(evidence(ids=("a", "b", "a")), "order-placed") == ""
    assert faulty.sent_twice(evidence(ids=("a", "b")), "order-placed").startswith(
        "no order-placed was sent twice since the start"
    )


def test_a_report_must_be_there_with_its_verdict() -> None:
    found = evidence(experiments={"first": ["vacuous"], "both": ["holds", "violated"]})
    assert faulty.ruled(found, "first", "vacuous") == ""
    assert "the report first is vacuous, and the lab needs holds" in faulty.ruled(found, "first", "holds")
    assert "the report both is holds, violated" in faulty.ruled(found, "both", "holds")
    assert "the report other is not there" in faulty.ruled(found, "other", "holds")


def test_the_verdict_of_the_drill_counts() -> None:
    assert faulty.drilled(evidence(drill="cured"), "cured") == ""
    assert "the verdict of the drill is 'destroyed'" in faulty.drilled(evidence(drill="destroyed"), "cured")
    assert "the verdict of the drill is not there" in faulty.drilled(evidence(), "cured")


def test_reports_are_read_if_they_are_younger_than_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_STATE", str(tmp_path))
    assert read_reports(0.0) == Reports()
    folder = tmp_path / "report" / "first"
    folder.mkdir(parents=True)
    (folder / "chaos.json").write_text(json.dumps([{"ruling": "vacuous"}]))
    (tmp_path / "report" / "drill.json").write_text('{"ruling": "cured"}')
    assert read_reports(0.0) == Reports({"first": ["vacuous"]}, "cured")
    os.utime(folder / "chaos.json", (10.0, 10.0))
    (tmp_path / "report" / "drill.json").write_text("?")
    assert read_reports(20.0) == Reports()


def test_events_are_read_only_for_a_check_that_looks_at_them(tmp_path: Path) -> None:
    assert looks_at_events(["shop check", "sent-twice order-placed"])
    assert looks_at_events(["dead-letters orders"])
    assert not looks_at_events(["shop check", "took 12", "orders 2"])
    assert released_since(tmp_path, "") == {}
