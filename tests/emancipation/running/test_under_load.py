"""Payments goes out of the monolith and back while 40 orders a second arrive. The command is killed once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest

from shop_lab import trial
from shop_lab.experiments import shutdown
from shop_lab.experiments.clients import Client
from shop_lab.testbed import PRODUCTS, Testbed
from shop_load.client import ShopClient
from shop_load.closed_loop import open_shop
from shop_load.open_loop import Sent
from shop_observe.history import History
from shop_oracle.gather import gather
from shop_oracle.report import judge
from shop_stack.ports import SERVICES
from shop_stack.shapes import Shape
from shop_stack.stack import Stack
from shop_stack.target import embedded as target_of
from testkit.shops import running_shop
from tests.emancipation.command import emancipate, killed_after

RATE = 40
ROUND_SECONDS = 30
"""The customers look after so many seconds whether the moves are over."""
SETTLED_SECONDS = 5.0
REST_SECONDS = 180.0
MODULE = "payments"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_shop("emancipation", shape=Shape.parse("monolith")) as (stack, _):
        yield stack


@asynccontextmanager
async def loaded(stack: Stack) -> AsyncIterator[tuple[list[Sent], Sequence[Client]]]:
    """Orders at RATE, and clients of each service. All of them count a request that fails, and repeat none.

    A customer who is told to come again later (429 with `Retry-After`) does so. The list is complete after the block.
    """
    target = target_of(stack.state)
    with History(target.state / "history", "products") as history:
        async with ShopClient(target, history) as shop:
            await open_shop(shop, PRODUCTS)
    ports = {name: (stack.ports.service(name),) for name in SERVICES}
    async with shutdown.visited(target, ports) as crowd:
        over = asyncio.Event()
        rounds: list[Sent] = []
        orders = asyncio.create_task(order_until(over, Testbed(stack, target), rounds))
        try:
            yield rounds, crowd
        finally:
            over.set()
            await orders


async def order_until(over: asyncio.Event, testbed: Testbed, rounds: list[Sent]) -> None:
    while not over.is_set():
        rounds.append(await trial.send(testbed, RATE * ROUND_SECONDS, RATE))


def failures_of(crowd: Sequence[Client]) -> dict[str, int]:
    """What a move must not cause: connections that were refused, reset or closed without an answer, and errors."""
    failed = sum((client.failures for client in crowd), Counter[str]())
    return {**failed, "refused": sum(client.refused for client in crowd)}


async def test_a_module_goes_out_and_back_under_load_with_one_kill_and_no_request_fails(stack: Stack) -> None:
    async with loaded(stack) as (rounds, crowd):
        await asyncio.sleep(SETTLED_SECONDS)
        left = await killed_after(stack, "events", MODULE)
        assert "switch" not in left.done
        out = await emancipate(stack, MODULE)
        await asyncio.sleep(SETTLED_SECONDS)
        back = await emancipate(stack, MODULE, "--back")
        await asyncio.sleep(SETTLED_SECONDS)
    slowest = max(max(sent.answered) for sent in rounds)
    shed = sum(sent.shed for sent in rounds)
    accepted = sum(len(sent.orders) for sent in rounds)
    print(
        f"out {out}\nback {back}\n{accepted} accepted, {shed} told to come later, slowest answer {slowest:.1f} s"
    )
    assert (out["shape"], out["resumed"], back["shape"]) == (
        "orders+inventory+notifications+analytics | payments",
        True,
        "monolith",
    )
    assert accepted == len(rounds) * RATE * ROUND_SECONDS
    assert [(sent.failed, sent.lost, sent.vague) for sent in rounds] == [(0, 0, 0)] * len(rounds)
    assert sum(client.answers for client in crowd) > 0
    assert failures_of(crowd) == {"refused": 0}
    verdict = judge(await gather(target_of(stack.state), REST_SECONDS, lambda step: None))
    assert verdict.holds, verdict.complaint
