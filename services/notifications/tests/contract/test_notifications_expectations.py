"""The expectations of notifications: what it reads of events and of the issuer, written down for their tests."""

from base64 import b64encode

import pytest

from notifications.directory import SCIM_ERROR, Directory, UnknownCustomer
from notifications.subscriptions import SUBSCRIPTIONS
from testkit.expectations import (
    ExpectedEvents,
    Pact,
    answering,
    each,
    integer,
    keep,
    matching,
    text,
    url_of_mock_server,
)

EXPECTED = ExpectedEvents("notifications", SUBSCRIPTIONS)
CLIENT = ("notifications", "notifications-secret")
ADDRESS = "grace@customers.example"
MEDIA_TYPE = "application/scim+json"


def test_the_files_say_what_the_code_reads() -> None:
    EXPECTED.assert_written("issuer")


def test_all_that_is_written_down_can_be_read_and_is_needed() -> None:
    EXPECTED.assert_read_and_needed()


def test_an_unknown_value_of_a_list_that_may_grow_can_be_read() -> None:
    EXPECTED.assert_reads_unknown_values()


def expect_a_token(pact: Pact) -> None:
    """The token endpoint is found by discovery, and gives a token. In the file the token is the caller's name."""
    discovery = pact.upon_receiving("the discovery document")
    discovery.with_request("GET", "/.well-known/openid-configuration").will_respond_with(200)
    discovery.with_body({"token_endpoint": url_of_mock_server("/token")})
    token = pact.upon_receiving("a token for the directory").with_request("POST", "/token")
    token.with_header("Authorization", f"Basic {b64encode(':'.join(CLIENT).encode()).decode()}")
    token.with_body("grant_type=client_credentials&audience=directory", "application/x-www-form-urlencoded")
    token.will_respond_with(200).with_body({"access_token": text(CLIENT[0]), "expires_in": integer(3600)})


def expect_addresses(pact: Pact) -> None:
    """A customer with an address, and one that is not in the directory."""
    for what, customer in (("an address", "cus_1"), ("an address of an unknown customer", "cus_2")):
        read = pact.upon_receiving(what).with_request("GET", f"/scim/v2/Users/{customer}")
        read.with_query_parameter("attributes", "emails")
        read.with_header("Authorization", matching(f"Bearer {CLIENT[0]}", "^Bearer .+$"))
        if customer == "cus_1":
            entry: dict[str, object] = {"pseudonym": customer, "login": "grace", "address": ADDRESS}
            read.given("a customer is in the directory", entry)
            read.will_respond_with(200).with_body({"emails": each({"value": text(ADDRESS)})}, MEDIA_TYPE)
        else:
            read.will_respond_with(404).with_body({"schemas": [SCIM_ERROR]}, MEDIA_TYPE)


async def test_the_file_says_what_is_read_of_the_issuer() -> None:
    pact = Pact("notifications", "issuer")
    expect_a_token(pact)
    expect_addresses(pact)
    with answering(pact) as url:
        directory = Directory(f"{url}/scim/v2", url, CLIENT, timeout=30.0)
        assert await directory.address_of("cus_1") == ADDRESS
        with pytest.raises(UnknownCustomer):
            await directory.address_of("cus_2")
    keep(pact)
