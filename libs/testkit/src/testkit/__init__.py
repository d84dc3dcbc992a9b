"""For tests of services and of the chassis. The fixtures are in `testkit.plugin`."""

from testkit.events import published, received
from testkit.hostile import (
    HOSTILE_NUMBERS,
    HOSTILE_TEXTS,
    UNSTORABLE_TEXTS,
    assert_no_fault_of_the_service,
    hostile_requests,
    many_requests,
    send_hostile_request,
)
from testkit.http import client, listening, management_client
from testkit.sql import differences, statements
from testkit.tokens import login, token, trust_test_keys, verifier_of
from testkit.waiting import eventually

__all__ = [
    "HOSTILE_NUMBERS",
    "HOSTILE_TEXTS",
    "UNSTORABLE_TEXTS",
    "assert_no_fault_of_the_service",
    "client",
    "differences",
    "eventually",
    "hostile_requests",
    "listening",
    "login",
    "management_client",
    "many_requests",
    "published",
    "received",
    "send_hostile_request",
    "statements",
    "token",
    "trust_test_keys",
    "verifier_of",
]
