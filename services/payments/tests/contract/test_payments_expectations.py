"""The expectations of payments: what it reads of events and of the card processor, written down for their tests."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from payments.domain import Charge, Charged, Declined, Reason, Refund, Refunded
from payments.processor import ALREADY_REFUNDED, Processor
from payments.subscriptions import SUBSCRIPTIONS
from testkit.expectations import (
    ExpectedEvents,
    Pact,
    answering,
    keep,
    matching,
    text,
)

EXPECTED = ExpectedEvents("payments", SUBSCRIPTIONS)
API_KEY = "merchants-key"
ORDER = UUID("01980000-0000-7000-8000-00000000000a")
CHARGE = Charge(ORDER, UUID("01980000-0000-7000-8000-00000000001a"), 1250, "EUR", "tok_ok", 1, None)
DECLINED = replace(CHARGE, payment_id=UUID("01980000-0000-7000-8000-00000000001c"), token="tok_declined")
REFUND = Refund(ORDER, UUID("01980000-0000-7000-8000-00000000002a"), "ch_1", 1250, "EUR", 1, None)
REFUNDED = replace(REFUND, refund_id=UUID("01980000-0000-7000-8000-00000000002d"), charge_id="ch_2")


def test_the_files_say_what_the_code_reads() -> None:
    EXPECTED.assert_written("processor")


def test_all_that_is_written_down_can_be_read_and_is_needed() -> None:
    EXPECTED.assert_read_and_needed()


def test_an_unknown_value_of_a_list_that_may_grow_can_be_read() -> None:
    EXPECTED.assert_reads_unknown_values()


def asked(pact: Pact, what: str, path: str, key: UUID, body: dict[str, Any]) -> Any:
    """A request to move money, with the merchant's key and the key of the payment or the refund."""
    request = pact.upon_receiving(what).with_request("POST", path)
    request.with_header("Authorization", f"Bearer {API_KEY}")
    request.with_header("Idempotency-Key", text(str(key)))
    return request.with_body(body)


def expect_charges(pact: Pact) -> None:
    """A charge that is made, and one that is declined."""
    for what, charge in (("a charge", CHARGE), ("a charge of a card that is declined", DECLINED)):
        sent = {"amount_minor": 1250, "currency": "EUR", "reference": str(ORDER)}
        answer = asked(pact, what, "/charges", charge.payment_id, {"token": charge.token, **sent})
        if charge is CHARGE:
            made = {"charge_id": matching("ch_1", "^[A-Za-z0-9_-]{1,64}$"), **sent}
            answer.will_respond_with(201).with_body(made)
        else:
            answer.will_respond_with(402).with_body({"reason": text("declined")})


def expect_refunds(pact: Pact) -> None:
    """A refund that is made, and one of a charge that is refunded already."""
    body = {"amount_minor": 1250, "currency": "EUR"}
    made = asked(pact, "a refund", "/charges/ch_1/refunds", REFUND.refund_id, body)
    made.given("there is a charge", {"charge_id": "ch_1", "amount_minor": 1250, "currency": "EUR"})
    made.will_respond_with(201).with_body({"charge_id": "ch_1", **body})
    again = asked(pact, "a second refund of a charge", "/charges/ch_2/refunds", REFUNDED.refund_id, body)
    again.given("the charge is refunded", {"charge_id": "ch_2", "amount_minor": 1250, "currency": "EUR"})
    again.will_respond_with(409).with_body({"type": ALREADY_REFUNDED}, "application/problem+json")


async def test_the_file_says_what_is_read_of_the_card_processor() -> None:
    pact = Pact("payments", "processor")
    expect_charges(pact)
    expect_refunds(pact)
    with answering(pact) as url:
        processor = Processor(url, API_KEY, 30.0, 1)
        assert await processor.charge(CHARGE) == Charged("ch_1")
        assert await processor.charge(DECLINED) == Declined(Reason.DECLINED)
        assert await processor.refund(REFUND) == Refunded()
        assert await processor.refund(REFUNDED) == Refunded()
        await processor.close()
    keep(pact)
