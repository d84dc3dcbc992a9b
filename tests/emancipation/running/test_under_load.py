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
SECONDS = 120
ORDERS = RATE * SECONDS
SETTLED_SECONDS = 5.0
REST_SECONDS = 180.0
MODULE = "payments"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_shop("emancipation", shape=Shape.parse("monolith")) as (stack, _):
        yield stack


@asynccontextmanager
async def loaded(stack: Stack) -> AsyncIterator[tuple[asyncio.Task[Sent], Sequence[Client]]]:
    """Orders at RATE, whose customers repeat no request, and clients of each service that repeat none either."""
    target = target_of(stack.state)
    with History(target.state / "history", "products") as history:
        async with ShopClient(target, history) as shop:
            await open_shop(shop, PRODUCTS)
    ports = {name: (stack.ports.service(name),) for name in SERVICES}
    async with shutdown.visited(target, ports) as crowd:
        yield asyncio.create_task(trial.send(Testbed(stack, target), ORDERS, RATE)), crowd


def failures_of(crowd: Sequence[Client]) -> dict[str, int]:
    failed = sum((client.failures for client in crowd), Counter[str]())
    return {**failed, "refused": sum(client.refused for client in crowd)}


async def test_a_module_goes_out_and_back_under_load_with_one_kill_and_no_request_fails(stack: Stack) -> None:
    async with loaded(stack) as (orders, crowd):
        await asyncio.sleep(SETTLED_SECONDS)
        left = await killed_after(stack, "events", MODULE)
        assert "switch" not in left.done
        out = await emancipate(stack, MODULE)
        await asyncio.sleep(SETTLED_SECONDS)
        back = await emancipate(stack, MODULE, "--back")
        await asyncio.sleep(SETTLED_SECONDS)
        assert not orders.done()
        sent = await orders
    print(f"out {out}\nback {back}\nslowest answer {max(sent.answered):.1f} s, of {len(sent.orders)}")
    assert (out["shape"], out["resumed"], back["shape"]) == (
        "orders+inventory+notifications+analytics | payments",
        True,
        "monolith",
    )
    assert (len(sent.orders), sent.shed, sent.failed, sent.lost) == (ORDERS, 0, 0, 0)
    assert sum(client.answers for client in crowd) > 0
    assert failures_of(crowd) == {"refused": 0}
    verdict = judge(await gather(target_of(stack.state), REST_SECONDS, lambda step: None))
    assert verdict.holds, verdict.complaint
