"""The customers of an experiment."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from shop_chaos import catalogue
from shop_chaos.customers import Customers
from shop_lab.experiments import background_orders
from shop_load import closed_loop
from shop_load.client import PATIENCE, LoadFailed
from shop_stack import embedded
from shop_stack.stack_files import write_facts
from shop_stack.target import Target
from shop_stack.target import embedded as target_of


@pytest.fixture
def target(tmp_path: Path, base: int) -> Target:
    """A shop of files, without processes."""
    stack = embedded.stack(tmp_path, base)
    write_facts(stack)
    return target_of(stack.state)


def test_customers_wait_as_long_as_the_experiment_says_and_their_reason_to_give_up_is_kept(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    came: list[closed_loop.Customers] = []
    given_up = threading.Event()

    async def serve(_: Target, __: int, customers: closed_loop.Customers) -> None:
        came.append(customers)
        await asyncio.sleep(0)
        given_up.set()
        raise LoadFailed("no answer")

    monkeypatch.setattr(background_orders, "serve", serve)
    with Customers(target, 8, patience=7) as customers:
        assert given_up.wait(30)
    assert [(one.patience, one.rate) for one in came] == [(7, 8)]
    assert customers.trouble == "no answer"


def test_an_experiment_may_lengthen_the_patience_of_its_customers() -> None:
    assert catalogue.experiment("stop-campaign").patience_seconds > PATIENCE
    assert catalogue.experiment("kafka-killed").patience_seconds == PATIENCE
