"""Foreign records are reported with their place, and are no violation when the services put them aside."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from shop_observe.contract import Contract
from shop_observe.history import read_history
from shop_observe.kafka_log import Entry, to_entry
from shop_observe.raw_batches import RawRecord
from shop_oracle import invariants, replay
from shop_oracle.evidence import DeadLetter, Evidence, Movement, Order, Payment, Written
from shop_oracle.report import judge, print_verdict
from shop_oracle.sampling import choose_orders

CONTRACTS = next(
    p for parent in Path(__file__).parents if (p := parent / "contracts" / "topics.yaml").exists()
).parent
READERS = ("inventory", "payments", "notifications", "analytics")
STRANGER = "01985f0e-0000-7000-8000-0000000000ff"


class World(Protocol):
    """The fixture in conftest.py."""

    evidence: Evidence

    def tell(self, type_: str, key: str, version: int | None, **data: Any) -> Entry: ...
    def finished(self) -> Evidence: ...


def violated(evidence: Evidence) -> dict[int, Any]:
    """Number → violations, of each invariant that does not hold."""
    return {r.number: r.judgement.violations for r in judge(evidence).rulings if not r.holds}


def put_aside(evidence: Evidence, entry: Entry, reason: str = "schema-violation") -> None:
    """Every reader has the record among its dead letters."""
    place = entry.topic, entry.partition, entry.offset
    evidence.dead_letters += [DeadLetter(group, place, "", reason) for group in READERS]


def arrived(evidence: Evidence, value: bytes, **headers: bytes | None) -> Entry:
    """A record on the orders' topic, as the log gives it; no service wrote it."""
    placed = next(entry for entry in evidence.log.entries if entry.type == "orders.order-placed.v1")
    own = {
        "ce_type": placed.type,
        "ce_source": placed.source,
        "ce_id": STRANGER,
        "ce_time": placed.decided_at,
    }
    named = {name: text.encode() for name, text in own.items()} | headers
    record = RawRecord(
        placed.topic, 0, 5_000, placed.sent_ms, placed.key.encode(), value, tuple(named.items())
    )
    entry = to_entry(record, Contract(CONTRACTS, evidence.topics))
    evidence.log.entries.append(entry)
    return entry


# --- The copies of dead letters -------------------------------------------------------------------


def copy_of_a_letter(evidence: Evidence) -> Entry:
    """A letter's copy in the outbox of payments; its topic is one of those that carry no events."""
    model = evidence.log.entries[0]
    copy = replace(
        model, topic="payments.dead-letters", id=STRANGER, type="payments.dead-lettered.v1", offset=0
    )
    row = Written("payments", copy.id, copy.topic, copy.key, copy.type, copy.moment)
    evidence.outbox = [*evidence.outbox, row]
    return copy


def test_the_copy_of_a_dead_letter_is_found_on_the_topic_of_its_group(clean: Evidence) -> None:
    clean.copies.entries.append(copy_of_a_letter(clean))
    assert violated(clean) == {}


def test_a_copy_that_was_never_sent_is_caught(clean: Evidence) -> None:
    copy = copy_of_a_letter(clean)
    (violation,) = violated(clean)[6]
    assert (copy.id in violation.subject, violation.found) == (True, "not sent")


def test_a_copy_that_retention_took_is_not_missed(clean: Evidence) -> None:
    copy = copy_of_a_letter(clean)
    clean.copies.gone_before = {copy.topic: copy.moment + timedelta(hours=1)}
    assert violated(clean) == {}


# --- Records that are no event --------------------------------------------------------------------


def test_a_record_without_data_is_reported_and_no_violation_once_it_is_put_aside(clean: Evidence) -> None:
    entry = arrived(clean, b"{}")
    assert set(violated(clean)) == {6}
    put_aside(clean, entry)
    assert violated(clean) == {}

    verdict = judge(clean)
    assert verdict.holds
    assert verdict.as_json()["foreign_record_count"] == 1
    assert verdict.as_json()["foreign_records"] == [
        {
            "topic": "orders.order.v1",
            "partition": 0,
            "offset": 5_000,
            "key": entry.key,
            "reason": "its data has no order_id",
        }
    ]
    assert "foreign record orders.order.v1[0]@5000: its data has no order_id" in printed(clean)


def test_a_record_that_every_service_refused_is_reported_although_it_keeps_the_schema(
    clean: Evidence,
) -> None:
    placed = next(entry for entry in clean.log.entries if entry.type == "orders.order-placed.v1")
    entry = arrived(clean, json.dumps(placed.data | {"version": 9}).encode())
    assert entry.fault == ""
    assert violated(clean)
    put_aside(clean, entry, "bad-version")
    assert violated(clean) == {}
    (record,) = judge(clean).foreign
    assert record.reason == "analytics refused it (bad-version)"


@pytest.mark.parametrize(
    ("topic", "owner", "type_", "readers"),
    [
        ("payments.payment.v1", "orders", "orders.order-placed.v1", ("orders", "notifications", "analytics")),
        (
            "inventory.reservation.v1",
            "inventory",
            "inventory.product-listed.v1",
            ("orders", "payments", "analytics"),
        ),
    ],
)
def test_an_event_on_a_topic_that_is_not_its_own_concerns_the_readers_of_that_topic(
    clean: Evidence, topic: str, owner: str, type_: str, readers: tuple[str, ...]
) -> None:
    assert {*readers} == {*next(t.readers for t in clean.topics if t.name == topic)}
    told = next(entry for entry in clean.log.entries if entry.type == type_)
    headers = {"ce_type": type_, "ce_source": f"/{owner}", "ce_id": STRANGER, "ce_time": told.decided_at}
    named = tuple((name, text.encode()) for name, text in headers.items())
    record = RawRecord(topic, 0, 5_000, told.sent_ms, told.key.encode(), told.value, named)
    clean.log.entries.append(to_entry(record, Contract(CONTRACTS, clean.topics)))
    assert {v.expected.rpartition(" ")[2] for v in violated(clean)[6]} == {*readers}
    clean.dead_letters += [DeadLetter(group, (topic, 0, 5_000), STRANGER, "wrong-topic") for group in readers]
    assert violated(clean) == {}
    assert [record.place for record in judge(clean).foreign] == [(topic, 0, 5_000)]


def test_a_record_stays_foreign_when_its_letters_are_discarded(clean: Evidence) -> None:
    """Discarding enters its event into the inbox, although no service handled it."""
    placed = next(entry for entry in clean.log.entries if entry.type == "orders.order-placed.v1")
    entry = arrived(clean, json.dumps(placed.data | {"version": 9}).encode())
    place = entry.topic, entry.partition, entry.offset
    for group in READERS:
        clean.inbox[group].add((entry.source, entry.id))
    clean.dead_letters += [DeadLetter(group, place, entry.id, "key-held") for group in READERS]
    assert violated(clean)  # as after a redrive: the services have handled it
    clean.dead_letters = [replace(letter, is_discarded=True) for letter in clean.dead_letters]
    assert violated(clean) == {}
    assert [record.place for record in judge(clean).foreign] == [place]


def test_an_event_of_a_service_is_no_foreign_record_although_it_is_a_dead_letter(clean: Evidence) -> None:
    placed = next(entry for entry in clean.log.entries if entry.type == "orders.order-placed.v1")
    clean.inbox["payments"].discard((placed.source, placed.id))
    place = placed.topic, placed.partition, placed.offset
    clean.dead_letters.append(DeadLetter("payments", place, placed.id, "handler-failed"))
    assert list(judge(clean).foreign) == []


def test_an_order_of_a_foreign_record_that_analytics_handled_is_part_of_its_projection(
    clean: Evidence,
) -> None:
    placed = next(entry for entry in clean.log.entries if entry.type == "orders.order-placed.v1")
    entry = arrived(clean, json.dumps(placed.data | {"order_id": STRANGER}).encode())
    entry = clean.log.entries[-1] = replace(entry, key=STRANGER, fault="its ce_correlationid is too long")
    put_aside(clean, entry)
    clean.dead_letters = [letter for letter in clean.dead_letters if letter.group != "analytics"]
    clean.inbox["analytics"].add((entry.source, entry.id))
    expected = replay.replay([*clean.events(), entry])
    assert {violation.subject for violation in violated(clean)[9]} >= {f"order {STRANGER} in analytics"}
    clean.facts[STRANGER] = expected[STRANGER]
    clean.reports = replay.reports(expected.values(), replay.product_names(clean.events()))
    assert violated(clean) == {}


def test_a_foreign_record_that_analytics_handled_and_the_oracle_cannot_read_leaves_the_projections_unjudged(
    clean: Evidence,
) -> None:
    placed = next(entry for entry in clean.log.entries if entry.type == "orders.order-placed.v1")
    entry = arrived(clean, json.dumps(placed.data | {"lines": 5, "total": 7}).encode())
    assert entry.fault
    put_aside(clean, entry)
    clean.inbox["analytics"].add((entry.source, entry.id))
    judgement = invariants.projections_follow_the_log(clean)
    assert judgement.unjudged == (
        "analytics handled foreign records that the oracle cannot read, such as orders.order.v1[0]@5000"
    )


# --- Orders that orders does not know -------------------------------------------------------------


@pytest.fixture
def lost(world: World, clean: Evidence) -> Evidence:
    """An order whose row and whose events' rows a failover took away after payments had charged for it."""
    (known, *_) = (order for order in clean.orders.values() if order.reason == "deadline")
    placed = next(e for e in clean.log.entries if (e.key, e.type) == (known.id, "orders.order-placed.v1"))
    del clean.orders[known.id]
    del clean.facts[known.id]
    clean.traces.of_order.clear()
    clean.messages = [message for message in clean.messages if message.order_id != known.id]
    clean.requests = [request for request in clean.requests if request.order_id != known.id]
    clean.outbox = [row for row in clean.outbox if row.event_id != placed.id]
    return clean


def test_an_unknown_order_whose_stock_and_money_went_back_is_no_violation(lost: Evidence) -> None:
    assert {number for number in violated(lost) if number != 9} == set()
    assert "orders knows neither this event nor its order" in {r.reason for r in judge(lost).foreign}


def test_an_unknown_order_whose_first_event_breaks_the_contract_is_judged_like_any_other(
    lost: Evidence,
) -> None:
    place, placed = next(
        (place, entry)
        for place, entry in enumerate(lost.log.entries)
        if entry.type == "orders.order-placed.v1" and entry.key not in lost.orders
    )
    lost.log.entries[place] = replace(placed, fault="its data.version is more than 2147483647")
    assert {number for number in violated(lost) if number != 9} == set()


@pytest.mark.parametrize("version", [2**31, 2**63, 10**400])
def test_a_version_that_fits_into_no_column_makes_a_record_foreign(clean: Evidence, version: int) -> None:
    placed = next(entry for entry in clean.log.entries if entry.type == "orders.order-placed.v1")
    entry = arrived(clean, json.dumps(placed.data | {"version": version}).encode())
    assert entry.fault
    put_aside(clean, entry)
    assert violated(clean) == {}


def test_an_unknown_order_whose_money_was_kept_is_caught(lost: Evidence) -> None:
    lost.ledger = [entry for entry in lost.ledger if entry.kind == "charge"]
    assert 3 in violated(lost)


@pytest.mark.parametrize(("state", "holds"), [("AWAITING", True), ("DUE", False), ("CAPTURING", False)])
def test_a_payment_without_an_order_is_no_lock_until_it_can_be_charged(
    clean: Evidence, state: str, holds: bool
) -> None:
    clean.payments[STRANGER] = Payment(STRANGER, STRANGER, state, 0, "")
    assert (invariants.nothing_stays_locked(clean).violations == []) == holds


def test_an_awaiting_payment_of_an_order_that_has_ended_is_a_lock(clean: Evidence) -> None:
    (known, *_) = (order for order in clean.orders.values() if order.reason == "deadline")
    clean.payments[known.id] = replace(clean.payments[known.id], state="AWAITING")
    assert len(invariants.nothing_stays_locked(clean).violations) == 1


def test_an_unknown_order_that_was_confirmed_is_caught(lost: Evidence) -> None:
    lost.log.entries = [
        replace(e, type="orders.order-confirmed.v1") if e.type == "orders.order-cancelled.v1" else e
        for e in lost.log.entries
    ]
    (violation,) = invariants.every_acknowledged_order_ends_once(lost).violations
    assert violation.expected == "an order: the log tells its end"


def test_charges_for_two_unknown_orders_are_not_one_effect_that_happened_twice(clean: Evidence) -> None:
    for name in ("a", "b"):
        clean.ledger += [Movement("charge", f"ch-{name}", f"unknown-{name}", 1, "EUR")]
    assert invariants.no_effect_happens_twice(clean).violations == []


# --- Whatever comes -------------------------------------------------------------------------------

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
header = st.none() | st.binary(max_size=20) | st.sampled_from([b"/inventory", b"\0", b"[/red]", b"\x1b[2J"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    value=st.binary(max_size=40) | anything.map(lambda data: json.dumps(data).encode()),
    changed=st.dictionaries(
        st.sampled_from(["ce_type", "ce_source", "ce_id", "ce_time", "ce_subject"]), header, max_size=2
    ),
    fields=st.dictionaries(
        st.sampled_from(["version", "lines", "total", "placed_at", "order_id"]), anything, max_size=2
    ),
    is_whole=st.booleans(),
    is_put_aside=st.booleans(),
    is_handled=st.booleans(),
)
def test_no_record_ends_a_judgement(
    clean: Evidence,
    value: bytes,
    changed: dict[str, bytes | None],
    fields: dict[str, Any],
    is_whole: bool,
    is_put_aside: bool,
    is_handled: bool,
) -> None:
    before = list(clean.log.entries)
    clean.dead_letters = []
    placed = next(entry for entry in before if entry.type == "orders.order-placed.v1")
    entry = arrived(clean, json.dumps(placed.data | fields).encode() if is_whole else value, **changed)
    if is_put_aside:
        put_aside(clean, entry)
    if is_handled:
        clean.inbox["analytics"].add((entry.source, entry.id))
    try:
        verdict = judge(clean)
        assert "\x1b" not in printed(clean)
        json.dumps(verdict.as_json())
        if is_put_aside and not is_handled:
            assert verdict.holds, verdict.complaint
            assert [record.place[2] for record in verdict.foreign] == [5_000]
    finally:
        clean.log.entries = before
        clean.inbox["analytics"].discard((entry.source, entry.id))


@given(st.text(max_size=80), st.integers(0, 1))
def test_no_traceparent_of_an_order_ends_a_judgement(text: str, number: int) -> None:
    moment = datetime.now(UTC)
    order = Order(
        "o", "CONFIRMED", "", 1, "EUR", moment, moment, moment, text if number else f"00-{text}-1-zz"
    )
    assert order.trace_id == "" or len(order.trace_id) == 32


@given(st.lists(anything.map(json.dumps) | st.text(max_size=20), max_size=5))
def test_no_line_of_a_history_ends_a_judgement(lines: list[str]) -> None:
    assert read_history("run", lines) == []


def test_without_an_ended_order_tracing_is_not_said_to_be_off(tmp_path: Path, clean: Evidence) -> None:
    assert choose_orders(tmp_path, [], {}, clean.taken_at) == ([], "no order has ended yet")


def printed(evidence: Evidence) -> str:
    console = Console(width=160, no_color=True)
    with console.capture() as capture:
        print_verdict(judge(evidence), console)
    return capture.get()
