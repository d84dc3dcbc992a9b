"""The expectations of analytics: what it reads of the events of others, written down for their tests."""

import pytest

from analytics.subscriptions import SUBSCRIPTIONS
from chassis.events import ConsumedEvent
from testkit.expectations import ExpectedEvents, UnknownValue, assert_no_other_files

REFUNDED = "payments.payment-refunded.v2"
"""Payments declares it since 0.2.0. This release runs beside 0.1.0 as well, which does not have it."""
EXPECTED = ExpectedEvents("analytics", SUBSCRIPTIONS, pending={REFUNDED: "payments has it since 0.2.0"})


@pytest.mark.parametrize("provider", EXPECTED.providers)
def test_the_file_says_what_the_code_reads(provider: str) -> None:
    EXPECTED.assert_written(provider)


@pytest.mark.parametrize("model", EXPECTED.models, ids=lambda model: model.event_type)
def test_all_that_is_written_down_can_be_read_and_is_needed(model: type[ConsumedEvent]) -> None:
    EXPECTED.assert_read_and_needed(model)


@pytest.mark.parametrize("value", EXPECTED.unknown_values, ids=str)
def test_an_unknown_value_of_a_list_that_may_grow_can_be_read(value: UnknownValue) -> None:
    EXPECTED.assert_reads_unknown(value)


def test_no_file_is_left_of_a_provider_that_is_not_read() -> None:
    assert_no_other_files("analytics", {*EXPECTED.providers})
