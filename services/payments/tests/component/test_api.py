"""Reading payments over HTTP."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from chassis.events import new_id

Floor = Any


async def test_a_payment_is_read_without_its_card_token(floor: Floor, http: httpx.AsyncClient) -> None:
    order_id = await floor.place()
    answer = await http.get(f"/payments/{order_id}")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["order_id"], body["state"], body["version"]) == (str(order_id), "OPENED", 1)
    assert body["amount"] == {"amount_minor": 1250, "currency": "EUR"}
    assert (body["customer_id"], body["decline_reason"], body["refunds"]) == ("c-ada", None, [])
    assert "tok" not in answer.text


async def test_a_refunded_payment_shows_its_refund(floor: Floor, http: httpx.AsyncClient) -> None:
    order_id = await floor.captured()
    await floor.cancel(order_id)
    [pending] = (await http.get(f"/payments/{order_id}")).json()["refunds"]
    assert (pending["state"], pending["refunded_at"]) == ("PENDING", None)
    await floor.settle_everything()
    body = (await http.get(f"/payments/{order_id}")).json()
    [refund] = body["refunds"]
    assert (body["state"], refund["state"], refund["refund_id"]) == (
        "REFUNDED",
        "REFUNDED",
        pending["refund_id"],
    )
    assert refund["amount"] == {"amount_minor": 1250, "currency": "EUR"}
    assert refund["refunded_at"] is not None


async def test_a_declined_payment_says_why(floor: Floor, http: httpx.AsyncClient) -> None:
    order_id = await floor.due("tok_declined")
    await floor.settle()
    body = (await http.get(f"/payments/{order_id}")).json()
    assert (body["state"], body["decline_reason"]) == ("DECLINED", "declined")


async def test_the_field_that_was_deprecated_is_gone(floor: Floor, http: httpx.AsyncClient) -> None:
    order_id = await floor.place()
    body = (await http.get(f"/payments/{order_id}")).json()
    assert "reason" not in body
    assert body["decline_reason"] is None


@pytest.mark.parametrize("reason", ["deadline", "invented-tomorrow"])
async def test_a_refund_has_the_reason_of_the_cancellation(
    floor: Floor, http: httpx.AsyncClient, reason: str
) -> None:
    order_id = await floor.captured()
    await floor.cancel(order_id, reason=reason)
    [refund] = (await http.get(f"/payments/{order_id}")).json()["refunds"]
    assert refund["reason"] == reason


@pytest.mark.parametrize(("fact", "state"), [("reserve", "AWAITING"), ("cancel", "VOIDED")])
async def test_a_payment_whose_order_has_not_arrived_has_no_amount(
    floor: Floor, http: httpx.AsyncClient, fact: str, state: str
) -> None:
    order_id = new_id()
    await getattr(floor, fact)(order_id)
    body = (await http.get(f"/payments/{order_id}")).json()
    assert (body["state"], body["amount"]) == (state, None)


async def test_an_order_not_heard_of_is_an_unknown_payment(http: httpx.AsyncClient) -> None:
    order_id = uuid4()
    answer = await http.get(f"/payments/{order_id}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:shopfloor:problem:unknown-payment"
    assert answer.json()["order_id"] == str(order_id)


async def test_an_order_id_that_is_none_is_an_invalid_request(http: httpx.AsyncClient) -> None:
    answer = await http.get("/payments/seven")
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:shopfloor:problem:invalid-request")


async def test_the_api_description_names_the_problem_and_every_state(http: httpx.AsyncClient) -> None:
    description = (await http.get("/openapi.json")).json()
    assert "404" in description["paths"]["/payments/{order_id}"]["get"]["responses"]
    assert "CANCELLING" in description["components"]["schemas"]["State"]["enum"]
