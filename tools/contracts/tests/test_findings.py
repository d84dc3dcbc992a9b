"""The report of a provider's tests, read."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

import pytest

from shop_contracts.answer.findings import read_report
from shop_contracts.expectations import Expectation
from shop_stack.errors import UserError

EVENT = "orders.order-confirmed.v1"
EXPECTED = [
    Expectation("notifications", "orders", EVENT, EVENT, frozenset({"total"}), frozenset(), False, True),
    Expectation("notifications", "orders", f"{EVENT}0", f"{EVENT}0", frozenset(), frozenset(), False, True),
]
SENTENCE = (
    f"notifications reads `total` of '{EVENT}', and orders does not send it. "
    "The way out: keep it until notifications no longer reads it."
)
NAME = "test_an_event_has_all_that_its_reader_has_written_down"


def report_of(inner: str, consumer: str = "notifications") -> str:
    """A JUnit report with one test."""
    return f'<testsuites><testsuite><testcase name="{NAME}[{consumer}]">{inner}</testcase></testsuite></testsuites>'


def test_a_test_that_passes_has_verified_its_consumer() -> None:
    report = read_report(report_of(""), EXPECTED)
    assert report.findings == ()
    assert report.verified == {"notifications"}


def test_a_failure_is_one_finding_for_each_sentence() -> None:
    second = SENTENCE.replace("total", "reason")
    message = f"AssertionError: 2 findings about contracts/consumers/x.json:\n{SENTENCE}\n{second}"
    report = read_report(report_of(f"<failure message={quoteattr(message)}/>"), EXPECTED)
    assert [(one.consumer, one.description, one.field) for one in report.findings] == [
        ("notifications", EVENT, "total"),
        ("notifications", EVENT, "reason"),
    ]
    first = report.findings[0]
    assert first.reason == f"notifications reads `total` of '{EVENT}', and orders does not send it."
    assert first.way_out == "keep it until notifications no longer reads it"
    assert not first.pending


def test_an_event_that_the_provider_lacks_is_named_and_not_those_that_it_publishes() -> None:
    v1, v2 = "payments.payment-refunded.v1", "payments.payment-refunded.v2"
    expected = [
        Expectation("notifications", "payments", type_, type_, frozenset(), frozenset(), False, True)
        for type_ in (v1, v2)
    ]
    sentence = (
        f"notifications reads the event {v2} of payments, and payments publishes no such event. It publishes {v1}. "
        "The way out: publish it."
    )
    [finding] = read_report(report_of(f"<failure message={quoteattr(sentence)}/>"), expected).findings
    assert finding.description == v2


def test_a_failure_without_a_sentence_is_about_everything() -> None:
    report = read_report(report_of('<failure message="KeyError: x"/>'), EXPECTED)
    [finding] = report.findings
    assert (finding.description, finding.field, finding.reason) == ("", "", "KeyError: x.")
    assert "contracts/consumers/notifications" in finding.way_out


def test_what_is_pending_is_reported_as_such() -> None:
    message = quoteattr(f"pending: {SENTENCE}")
    report = read_report(report_of(f'<skipped type="pytest.xfail" message={message}/>'), EXPECTED)
    [finding] = report.findings
    assert finding.pending
    assert finding.reason.startswith("notifications reads")


def test_a_skipped_test_has_verified_nothing() -> None:
    report = read_report(report_of('<skipped type="pytest.skip" message="no"/>'), EXPECTED)
    assert report.verified == frozenset()


def test_a_test_that_could_not_run_is_no_finding() -> None:
    with pytest.raises(UserError, match="could not be run .*no PostgreSQL"):
        read_report(report_of('<error message="no PostgreSQL"/>'), EXPECTED)
