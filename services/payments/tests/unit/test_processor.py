"""What the client of the card processor makes of each answer."""

import json
from collections.abc import Callable
from uuid import UUID, uuid4

import httpx
import pytest

from payments.domain import Charge, Charged, Declined, Reason, Refund, Refunded
from payments.processor import Processor, ProcessorUnavailable

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
CHARGE = Charge(uuid4(), uuid4(), 1250, "EUR", "tok_ok", 1, TRACEPARENT)
REFUND = Refund(uuid4(), uuid4(), "ch_1", 1250, "EUR", 1, None)
Answering = Callable[[httpx.Request], httpx.Response]


def client(answering: Answering) -> Processor:
    return Processor("http://processor.test", 1, 4, transport=httpx.MockTransport(answering))


def says(status: int, body: object = None) -> Processor:
    return client(lambda _: httpx.Response(status, json=body))


async def test_a_charge_says_what_for_and_carries_its_key_and_the_orders_trace() -> None:
    seen: list[httpx.Request] = []

    def answering(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json={"charge_id": "ch_1", "status": "succeeded"})

    assert await client(answering).charge(CHARGE) == Charged("ch_1")
    [request] = seen
    assert request.url.path == "/charges"
    assert request.headers["idempotency-key"] == str(CHARGE.payment_id)
    assert request.headers["traceparent"].split("-")[1] == TRACEPARENT.split("-")[1]
    assert json.loads(request.content) == {
        "token": "tok_ok",
        "amount_minor": 1250,
        "currency": "EUR",
        "reference": str(CHARGE.order_id),
    }


@pytest.mark.parametrize(
    ("said", "reason"),
    [("declined", "declined"), ("unknown_token", "unknown_token"), ("a reason of next year", "declined")],
)
async def test_a_refusal_is_an_answer_also_with_a_reason_that_nobody_knows(said: str, reason: str) -> None:
    processor = says(402, {"status": "declined", "reason": said})
    assert await processor.charge(CHARGE) == Declined(Reason(reason))


@pytest.mark.parametrize("status", [400, 422])
async def test_a_card_that_the_processor_cannot_even_read_is_declined(status: int) -> None:
    assert await says(status).charge(CHARGE) == Declined(Reason.DECLINED)


@pytest.mark.parametrize("status", [200, 401, 404, 409, 429, 500, 502, 503])
async def test_any_other_answer_settles_nothing(status: int) -> None:
    with pytest.raises(ProcessorUnavailable, match=str(status)):
        await says(status).charge(CHARGE)
    with pytest.raises(ProcessorUnavailable, match=str(status)):
        await says(status).refund(REFUND)


@pytest.mark.parametrize("body", [None, [], {}, "charged"])
@pytest.mark.parametrize("status", [201, 402])
async def test_an_answer_without_its_fields_settles_nothing(status: int, body: object) -> None:
    with pytest.raises(ProcessorUnavailable):
        await says(status, body).charge(CHARGE)


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError])
async def test_no_answer_settles_nothing_and_names_no_card(error: type[httpx.HTTPError]) -> None:
    def answering(_: httpx.Request) -> httpx.Response:
        raise error("tok_ok")

    with pytest.raises(ProcessorUnavailable) as caught:
        await client(answering).charge(CHARGE)
    assert "tok_ok" not in str(caught.value)


async def test_a_refund_goes_to_its_charge_with_a_key_of_its_own() -> None:
    keys: list[UUID] = []

    def answering(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/charges/ch_1/refunds"
        assert json.loads(request.content) == {"amount_minor": 1250, "currency": "EUR"}
        keys.append(UUID(request.headers["idempotency-key"]))
        return httpx.Response(201, json={"refund_id": "re_1"})

    assert await client(answering).refund(REFUND) == Refunded()
    assert keys == [REFUND.refund_id]
