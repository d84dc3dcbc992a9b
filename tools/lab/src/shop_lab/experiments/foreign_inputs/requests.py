"""HTTP requests with one fault each, and orders with cards that the processor does not simply charge."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from shop_lab.experiments.foreign_inputs.input import Give, Tally, World
from shop_load.open_loop import SKUS
from shop_stack import logins
from shop_stack.ports import SERVICES

LATER = (429, 503)
"""Answers that ask the client to come back later. They are neither right nor wrong."""
LARGEST_ANSWER = 64_000
"""The most bytes of an answer to one small request."""
WRONG_LINES = 31_000
TOO_LARGE = 100_000
DEPTH = 30_000
CUSTOMER = "foreign"
"""The customer of all orders that name no other."""
JSON = {"Content-Type": "application/json"}

Answer = httpx.Response | httpx.TransportError
"""What came of a request: its answer, or the reason why there is none."""


@dataclass(frozen=True)
class Request:
    """One request. `body` is sent unchanged, and each character of `agent` as one byte."""

    path: str
    body: bytes | None = None
    method: str = "POST"
    agent: str = "foreign"
    is_of_operator: bool = False
    """Whether it is sent to the management port."""


def order(**more: Any) -> dict[str, Any]:
    """The body of an order that the shop can fulfil."""
    return {
        "lines": [{"sku": SKUS[0], "quantity": 1}],
        "currency": "EUR",
        "payment_token": "tok_ok",
    } | more


def placing(**more: Any) -> Request:
    """A POST of an order with these fields. json.dumps encodes lone surrogates as escapes."""
    return Request("/orders", json.dumps(order(**more)).encode())


NUL_TOKEN = placing(payment_token="tok\0")
SURROGATE_TOKEN = placing(payment_token="\ud800")
NUL_CUSTOMER = placing(customer_id="a\0b")
SURROGATE_SKU = placing(lines=[{"sku": "\udfff", "quantity": 1}])
MANY_WRONG_LINES = Request(
    "/orders", json.dumps(order(lines=[0] * WRONG_LINES), separators=(",", ":")).encode()
)
LARGE_BODY = placing(customer_id="c" * TOO_LARGE)
DEEP_JSON = Request("/orders", b"[" * DEPTH + b"]" * DEPTH)
NUL_KEY_SOUGHT = Request("/admin/dead-letters?key=%00", method="GET", is_of_operator=True)
NUL_KEY_REDRIVEN = Request(
    "/admin/dead-letters/redrive", json.dumps({"key": "\0"}).encode(), is_of_operator=True
)
UNREADABLE_AGENT = Request("/admin/dead-letters", method="GET", agent="\xff\\x", is_of_operator=True)
SURROGATE_KEY_REDRIVEN = Request(
    "/admin/dead-letters/redrive", json.dumps({"key": "\ud800"}).encode(), is_of_operator=True
)


def sent_to(services: Collection[str], request: Request, right: Collection[int]) -> Give:
    """An input that sends a request to these services in turn. Answers not in `right` and LATER are wrong."""
    chosen = tuple(services)

    async def give(world: World, tally: Tally) -> None:
        service = chosen[(tally.given - 1) % len(chosen)]
        answer = await _ask(world, service, request, {})
        note(tally, answer, right)

    return give


def to_orders(request: Request, *right: int) -> Give:
    """An input that sends a request to orders."""
    return sent_to(("orders",), request, right)


def to_each(request: Request, *right: int) -> Give:
    """An input that sends a request to each service in turn."""
    return sent_to(SERVICES, request, right)


async def reuse_key(world: World, tally: Tally) -> None:
    """Two customers order with the same Idempotency-Key. A key belongs to its customer, so both must get an order."""
    key = f"foreign-{uuid4()}"
    await _place(world, key, "foreign key", "foreign-a")
    note(tally, await _place(world, key, "foreign key", "foreign-b"), (202,))


def pays_with(token: str, end: str) -> Give:
    """An input that places an order with a card. The order must end in the state `end`."""

    async def give(world: World, tally: Tally) -> None:
        answer = await _place(world, f"foreign-{uuid4()}", f"foreign {token}"[:40], payment_token=token)
        note(tally, answer, (202,))
        if isinstance(answer, httpx.Response) and answer.status_code == 202:
            tally.orders[answer.json()["order_id"]] = end

    return give


def note(tally: Tally, answer: Answer, right: Collection[int]) -> None:
    """Count an answer. It is wrong if it is missing, too large, or neither in `right` nor in LATER."""
    if isinstance(answer, httpx.TransportError):
        tally.wrong[f"no answer: {type(answer).__name__}"] += 1
        return
    status = str(answer.status_code)
    tally.answers[status] += 1
    if answer.status_code not in (*right, *LATER):
        tally.wrong[status] += 1
    if len(answer.content) > LARGEST_ANSWER:
        tally.wrong[f"{status} of more than {LARGEST_ANSWER} bytes"] += 1


async def _place(world: World, key: str, scenario: str, customer: str = CUSTOMER, **more: Any) -> Answer:
    """Place an order, and write the request and the answer into the history."""
    number = world.history.asked("place-order", key=key, customer=customer, scenario=scenario)
    answer = await _ask(world, "orders", placing(**more), {"Idempotency-Key": key}, customer)
    if isinstance(answer, httpx.Response):
        order_id = answer.json()["order_id"] if answer.status_code == 202 else ""
        world.history.answered(number, answer.status_code, order_id)
    return answer


async def _ask(
    world: World, service: str, request: Request, headers: dict[str, str], customer: str = CUSTOMER
) -> Answer:
    """Send a request with a token. Returns the answer, or the error that came instead of one."""
    target = world.testbed.target
    login = logins.header(target.issuer, logins.OPERATOR if request.is_of_operator else customer)
    urls = target.management_urls if request.is_of_operator else target.service_urls
    url = urls[service] + request.path
    sent = httpx.Headers({"User-Agent": request.agent} | JSON | headers | login, encoding="latin-1")
    try:
        return await world.http.request(request.method, url, content=request.body, headers=sent)
    except httpx.TransportError as error:
        return error
