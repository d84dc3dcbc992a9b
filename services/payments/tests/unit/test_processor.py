"""What the client of the card processor makes of each answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from payments.domain import Charge, Charged, Declined, Reason, Refund, Refunded
from payments.processor import Processor, ProcessorUnavailable

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
CHARGE = Charge(uuid4(), uuid4(), 1250, "EUR", "tok_ok", 1, TRACEPARENT)
REFUND = Refund(uuid4(), uuid4(), "ch_1", 1250, "EUR", 1, None)
MADE = {
    "charge_id": "ch_1",
    "status": "succeeded",
    "amount_minor": 1250,
    "currency": "EUR",
    "reference": str(CHARGE.order_id),
}
"""A right answer to CHARGE. To REFUND it is one, too."""


class Other:
    """The other side of the wire: it says `status` and `body` to everything, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status = 201
        self.is_compressed = False
        self.body: Any = MADE
        self.asked: list[tuple[str, dict[str, str], Any]] = []

    async def answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((request.path, headers, await request.json()))
        if self.status == 0:  # hang up
            assert request.transport is not None
            request.transport.close()
        if self.status == -1:  # think for ever
            await asyncio.Event().wait()
        response = web.json_response(self.body, status=self.status or 200)
        if self.is_compressed:
            response.enable_compression(web.ContentCoding.gzip)
        return response


@pytest.fixture
def other() -> Other:
    return Other()


@pytest.fixture
async def processor(other: Other) -> AsyncIterator[Processor]:
    app = web.Application()
    app.router.add_post("/{path:.*}", other.answer)
    async with TestServer(app) as server:
        client = Processor(str(server.make_url("/")), "merchants-key", 0.5, 4)
        yield client
        await client.close()


async def test_a_charge_says_what_for_and_carries_its_key_and_the_orders_trace(
    other: Other, processor: Processor
) -> None:
    assert await processor.charge(CHARGE) == Charged("ch_1")
    [(path, headers, body)] = other.asked
    assert path == "/charges"
    assert headers["idempotency-key"] == str(CHARGE.payment_id)
    assert headers["authorization"] == "Bearer merchants-key"
    assert headers["traceparent"].split("-")[1] == TRACEPARENT.split("-")[1]
    assert body == {
        "token": "tok_ok",
        "amount_minor": 1250,
        "currency": "EUR",
        "reference": str(CHARGE.order_id),
    }


async def test_a_refund_goes_to_its_charge_with_a_key_of_its_own(other: Other, processor: Processor) -> None:
    assert await processor.refund(REFUND) == Refunded()
    [(path, headers, body)] = other.asked
    assert path == "/charges/ch_1/refunds"
    assert headers["idempotency-key"] == str(REFUND.refund_id)
    assert headers["authorization"] == "Bearer merchants-key"
    assert body == {"amount_minor": 1250, "currency": "EUR"}


@pytest.mark.parametrize(
    ("said", "reason"),
    [("declined", "declined"), ("unknown_token", "unknown_token"), ("a reason of next year", "declined")],
)
async def test_a_refusal_is_an_answer_also_with_a_reason_that_nobody_knows(
    other: Other, processor: Processor, said: str, reason: str
) -> None:
    other.status, other.body = 402, {"status": "declined", "reason": said}
    assert await processor.charge(CHARGE) == Declined(Reason(reason))


@pytest.mark.parametrize("status", [200, 400, 401, 404, 409, 422, 429, 500, 502, 503])
async def test_any_other_answer_settles_nothing(other: Other, processor: Processor, status: int) -> None:
    other.status = status
    with pytest.raises(ProcessorUnavailable, match=str(status)):
        await processor.charge(CHARGE)
    with pytest.raises(ProcessorUnavailable, match=str(status)):
        await processor.refund(REFUND)


async def test_a_charge_that_was_refunded_already_is_refunded(other: Other, processor: Processor) -> None:
    other.status = 409
    other.body = {"type": "urn:shopfloor:problem:already-refunded", "status": 409}
    assert await processor.refund(REFUND) == Refunded()
    other.body = {"type": "urn:shopfloor:problem:refund-exceeds-charge", "status": 409}
    with pytest.raises(ProcessorUnavailable):
        await processor.refund(REFUND)


@pytest.mark.parametrize("body", [None, [], {}, "charged"])
@pytest.mark.parametrize("status", [201, 402])
async def test_an_answer_without_its_fields_settles_nothing(
    other: Other, processor: Processor, status: int, body: object
) -> None:
    other.status, other.body = status, body
    with pytest.raises(ProcessorUnavailable):
        await processor.charge(CHARGE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_minor": 1249},
        {"amount_minor": "1250"},
        {"amount_minor": 1250.5},
        {"amount_minor": None},
        {"currency": "USD"},
        {"currency": None},
        {"reference": "00000000-0000-4000-8000-000000000000"},
        {"reference": None},
    ],
    ids=str,
)
async def test_an_answer_about_another_charge_settles_nothing(
    other: Other, processor: Processor, wrong: dict[str, object]
) -> None:
    other.body = MADE | wrong
    with pytest.raises(ProcessorUnavailable, match="the card processor's answer"):
        await processor.charge(CHARGE)


@pytest.mark.parametrize(
    "wrong",
    [{"amount_minor": 1249}, {"currency": "USD"}, {"charge_id": "ch_2"}, {"charge_id": None}],
    ids=str,
)
async def test_an_answer_about_another_refund_settles_nothing(
    other: Other, processor: Processor, wrong: dict[str, object]
) -> None:
    other.body = MADE | wrong
    with pytest.raises(ProcessorUnavailable, match="the card processor's answer"):
        await processor.refund(REFUND)


@pytest.mark.parametrize(
    "charge_id",
    ["", "ch_1/../../keys", "ch_1?all", "..", "ch 1", "ch_1\n", "ch_\x00", "é", "c" * 65, 7, None],
)
async def test_an_id_that_could_lead_elsewhere_settles_nothing_and_is_not_shown(
    other: Other, processor: Processor, charge_id: object
) -> None:
    """The id is stored, and becomes a part of the address of a refund."""
    other.body = MADE | {"charge_id": charge_id}
    with pytest.raises(ProcessorUnavailable) as refused:
        await processor.charge(CHARGE)
    assert str(refused.value) == "the card processor's answer has no right charge_id"


async def test_a_redirect_is_not_followed_and_settles_nothing(other: Other, processor: Processor) -> None:
    """The card token must not go to an address that an answer names."""

    async def redirect(request: web.Request) -> web.Response:
        elsewhere = str(processor._url)
        raise web.HTTPTemporaryRedirect(f"{elsewhere}{request.path}")

    app = web.Application()
    app.router.add_post("/{path:.*}", redirect)
    async with TestServer(app) as server:
        client = Processor(str(server.make_url("/")), "key", 5, 4)
        for call in (client.charge(CHARGE), client.refund(REFUND)):
            with pytest.raises(ProcessorUnavailable, match="307"):
                await call
        await client.close()
    assert other.asked == []


@pytest.mark.parametrize("status", [201, 402, 409])
@pytest.mark.parametrize("body", [b"[" * 60_000, b'{"charge_id":' * 4_000, b"\xff", b"", b"1" * 60_000])
async def test_bytes_that_are_no_answer_settle_nothing(status: int, body: bytes) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    async with TestServer(app) as server:
        client = Processor(str(server.make_url("/")), "key", 5, 4)
        for call in (client.charge(CHARGE), client.refund(REFUND)):
            with pytest.raises(ProcessorUnavailable):
                await call
        await client.close()


@pytest.mark.parametrize("status", [0, -1], ids=["hung up", "no answer in time"])
async def test_no_answer_settles_nothing_and_names_no_card(
    other: Other, processor: Processor, status: int
) -> None:
    other.status = status
    with pytest.raises(ProcessorUnavailable) as caught:
        await processor.charge(CHARGE)
    assert "tok_ok" not in str(caught.value)


@pytest.mark.parametrize("status", [201, 402, 503])
async def test_an_answer_without_an_end_settles_nothing_and_is_not_collected(status: int) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        endless = web.StreamResponse(status=status)
        await endless.prepare(request)
        while True:
            await endless.write(b" " * 65_536)

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    async with TestServer(app) as server:
        client = Processor(str(server.make_url("/")), "merchants-key", 3_600, 4)
        async with asyncio.timeout(30):
            with pytest.raises(ProcessorUnavailable, match="ClientPayloadError"):
                await client.charge(CHARGE)
        await client.close()


async def test_an_answer_is_asked_for_and_taken_without_compression(
    other: Other, processor: Processor
) -> None:
    """A few bytes could become any number."""
    other.is_compressed = True
    with pytest.raises(ProcessorUnavailable):
        await processor.charge(CHARGE)
    [(_, headers, _)] = other.asked
    assert headers["accept-encoding"] == "identity"


async def test_a_processor_that_is_away_settles_nothing() -> None:
    away = Processor("http://127.0.0.1:1", "key", 0.5, 4)
    with pytest.raises(ProcessorUnavailable):
        await away.charge(CHARGE)
    await away.close()
