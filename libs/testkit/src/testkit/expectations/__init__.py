"""Consumer expectations: what a program reads of another, written by its own tests, verified by the other's tests.

A consumer writes `contracts/consumers/<consumer>/<provider>.json` (Pact V4), and a provider verifies each file that
names it. Neither needs the other's code. docs/decisions/0037 has the reasons.

    consumer, events    ExpectedEvents(consumer, SUBSCRIPTIONS): derived from the models of the events
                        assert_written(...), assert_read_and_needed(), assert_reads_unknown_values()
    consumer, HTTP      Pact(consumer, provider), answering(pact), keep(pact): the client's real code asks a mock server
    consumer, both      assert_no_other_files(consumer, providers), which assert_written(...) does for a service
    provider, events    event_readers(provider), assert_events_as_expected(...)
    provider, HTTP      http_clients(provider), assert_api_as_expected(...), or assert_app_as_expected(...)

`make contracts` writes the files. Without it, the consumer's tests compare, and fail with the rule and the cure.
"""

from pact import Pact

from testkit.expectations.consumed import ExpectedEvents
from testkit.expectations.files import (
    WrongExpectation,
    assert_no_other_files,
    event_readers,
    faults_of_files,
    http_clients,
    keep,
)
from testkit.expectations.matchers import (
    Matcher,
    each,
    integer,
    matching,
    moment,
    number,
    text,
    unique_id,
    url_of_mock_server,
)
from testkit.expectations.mock_server import answering
from testkit.expectations.provided import (
    assert_api_as_expected,
    assert_app_as_expected,
    assert_events_as_expected,
)
from testkit.expectations.provider_server import Provider, State
from testkit.expectations.states import management_states

__all__ = [
    "ExpectedEvents",
    "Matcher",
    "Pact",
    "Provider",
    "State",
    "WrongExpectation",
    "answering",
    "assert_api_as_expected",
    "assert_app_as_expected",
    "assert_events_as_expected",
    "assert_no_other_files",
    "each",
    "event_readers",
    "faults_of_files",
    "http_clients",
    "integer",
    "keep",
    "management_states",
    "matching",
    "moment",
    "number",
    "text",
    "unique_id",
    "url_of_mock_server",
]
