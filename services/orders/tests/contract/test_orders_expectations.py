"""The expectations of orders: what it reads of the events of others, written down for their tests."""

from orders.subscriptions import SUBSCRIPTIONS
from testkit.expectations import ExpectedEvents

EXPECTED = ExpectedEvents("orders", SUBSCRIPTIONS)


def test_the_files_say_what_the_code_reads() -> None:
    EXPECTED.assert_written()


def test_all_that_is_written_down_can_be_read_and_is_needed() -> None:
    EXPECTED.assert_read_and_needed()


def test_an_unknown_value_of_a_list_that_may_grow_can_be_read() -> None:
    EXPECTED.assert_reads_unknown_values()
