"""The expectations of `shop` of the two programs that are no services: the issuer of tokens, and the card processor."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx

from shop_oracle.answers import read_ledger
from shop_oracle.evidence import Movement
from shop_stack import logins
from shop_stack.directory import Customer, CustomersDirectory
from shop_stack.kafka_access import KafkaAccess
from shop_stack.logins import OPERATOR, STOREFRONT
from shop_stack.target import Issuer, Target
from testkit.expectations import Pact, answering, each, integer, keep, matching, text

SECRETS = {name: f"{name}-secret" for name in ("storefront", "clerk", "operator")}
MEDIA_TYPE = "application/scim+json"
GRACE = Customer("cus_1", "grace", ("grace@customers.example",))
IN_THE_DIRECTORY: dict[str, object] = {
    "pseudonym": GRACE.pseudonym,
    "login": GRACE.login,
    "address": GRACE.addresses[0],
}
ENTRY = {
    "id": text(GRACE.pseudonym),
    "userName": text(GRACE.login),
    "emails": each({"value": text(GRACE.addresses[0])}),
}


def expect_token(pact: Pact, what: str, client: str, form: str) -> None:
    """A token for a client. In the file it is the name of the client."""
    login = b64encode(f"{client}:{SECRETS[client]}".encode()).decode()
    token = pact.upon_receiving(what).with_request("POST", "/token")
    token.with_header("Authorization", f"Basic {login}")
    token.with_body(form, "application/x-www-form-urlencoded")
    token.will_respond_with(200).with_body({"access_token": text(client)})


def asked(pact: Pact, what: str, method: str, path: str) -> Any:
    """A request of the operator to the directory."""
    request = pact.upon_receiving(what).given("a customer is in the directory", IN_THE_DIRECTORY)
    request.with_request(method, f"/scim/v2/Users/{path}")
    return request.with_header("Authorization", matching(f"Bearer {OPERATOR}", "^Bearer .+$"))


def expect_directory(pact: Pact) -> None:
    """A customer is found by the login name and by the pseudonym, and erased."""
    found = asked(pact, "a customer by the login name", "POST", ".search")
    found.with_body({"filter": 'userName eq "grace"'}).will_respond_with(200)
    found.with_body({"totalResults": integer(1), "Resources": each(ENTRY)}, MEDIA_TYPE)
    read = asked(pact, "a customer by the pseudonym", "GET", GRACE.pseudonym)
    read.will_respond_with(200).with_body(ENTRY, MEDIA_TYPE)
    asked(pact, "a customer to erase", "DELETE", GRACE.pseudonym).will_respond_with(204)


def test_the_file_says_what_is_read_of_the_issuer() -> None:
    pact = Pact("shop", "issuer")
    grant = "grant_type=client_credentials"
    expect_token(pact, "a token for the directory", OPERATOR, f"{grant}&audience=directory")
    expect_token(pact, "a token for a customer", STOREFRONT, f"{grant}&audience=orders&subject=grace")
    expect_directory(pact)
    with answering(pact) as url:
        issuer = Issuer(url, SECRETS)
        assert logins.new_token(issuer, "grace", "orders") == STOREFRONT
        with CustomersDirectory(issuer) as directory:
            assert directory.find(GRACE.login) == GRACE
            assert directory.find(GRACE.pseudonym) == GRACE
            directory.erase(GRACE.pseudonym)
    keep(pact)


async def test_the_file_says_what_is_read_of_the_card_processor() -> None:
    pact = Pact("shop", "processor")
    ledger = pact.upon_receiving("the ledger").with_request("GET", "/ledger")
    ledger.given("there is a charge", {"charge_id": "ch_1", "amount_minor": 1250, "currency": "EUR"})
    entry = {
        "kind": matching("charge", "^(charge|refund)$"),
        "charge_id": text("ch_1"),
        "reference": text("order-1"),
        "amount_minor": integer(1250),
        "currency": matching("EUR", "^[A-Z]{3}$"),
    }
    ledger.will_respond_with(200).with_body({"entries": each(entry)})
    with answering(pact) as url:
        target = Target("test", {}, {}, url, KafkaAccess(""), {}, Path(), Path(), Path())
        async with httpx.AsyncClient(trust_env=False) as client:
            assert await read_ledger(client, target) == [Movement("charge", "ch_1", "order-1", 1250, "EUR")]
    keep(pact)
