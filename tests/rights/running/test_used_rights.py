"""A whole shop uses each right that the contract gives: in a log of Kafka's authorizer, each granted right is found.

The shop takes orders of every outcome, makes a dead letter in each service, and is judged by the oracle.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from shop_load.closed_loop import Customers, serve_customers
from shop_load.plans import plan_run
from shop_observe.history import History
from shop_oracle.gather import gather
from shop_stack import admin, paths, rights, topics
from shop_stack.parts import create_users
from shop_stack.ports import SERVICES
from shop_stack.rights import LAB, Operation, Resource, Right
from shop_stack.stack import Stack
from shop_stack.target import Target
from testkit import eventually
from testkit.shops import running_shop
from tests.rights.used_rights import NEEDED_UNUSED, unused_rights, used_rights

LOGGER = "org.slf4j:slf4j-simple:1.7.36"
"""It writes the log. Kafka's own jars have none that does; it has the version of their slf4j-api."""
LOGGER_HASH = "2f39bed943d624dfa8f4102d0571283a10870b6aa36f197a8a506f147010c10f"
PROPERTIES = {
    "defaultLogLevel": "off",
    "log.kafka.authorizer.logger": "trace",
    "logFile": "../logs/authorizer.log",
}
POISONED = ("orders.order.v1", "inventory.reservation.v1")
"""Topics that together are read by every service."""
ORDERS = 40


def jars() -> list[Path]:
    """The jars of the logger. They are downloaded if they are missing."""
    import jgo

    found = [Path(artifact.resolve()) for artifact in jgo.resolve(LOGGER)]
    digests = {hashlib.sha256(jar.read_bytes()).hexdigest() for jar in found if "simple" in jar.name}
    assert digests == {LOGGER_HASH}
    return found


@pytest.fixture(scope="module")
def audited() -> Iterator[tuple[Stack, Target, Path]]:
    """A shop whose broker logs each decision of its authorizer, its target, and the log."""
    path = os.pathsep.join(map(str, jars()))
    options = [f"-Dorg.slf4j.simpleLogger.{name}={value}" for name, value in PROPERTIES.items()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_KAFKA_OPTIONS", " ".join([f"-Xbootclasspath/a:{path}", *options]))
        with running_shop("rights") as (stack, target):
            yield stack, target, stack.state / "logs" / "authorizer.log"


async def test_each_granted_right_is_used(audited: tuple[Stack, Target, Path]) -> None:
    stack, target, log = audited
    run = plan_run("rights", ORDERS, seed=1)
    with History(target.state / "history", run.name) as history:
        await serve_customers(target, run, history, Customers(8))
    await make_dead_letters(stack, target)
    await gather(target, 120.0, lambda step: None)

    used = used_rights(log.read_text(errors="replace").splitlines())
    granted = rights.all_rights(topics.entries(paths.contracts()))
    assert unused_rights(granted, used) == []
    assert [right for right in NEEDED_UNUSED if right in used] == [], "it is used: its reason is not needed"

    planted = Right("orders", Resource.TOPIC, "payments.payment.v1", Operation.WRITE)
    assert len(unused_rights([*granted, planted], used)) == 1


async def make_dead_letters(stack: Stack, target: Target) -> None:
    """Give each service a record that is no event, and wait until each has written of it to its topic."""
    await create_users(stack, [LAB])
    async with AIOKafkaProducer(**stack.logins.of(LAB).client) as producer:
        for topic in POISONED:
            await producer.send_and_wait(topic, b"no event", b"key")

    async def have_letters() -> None:
        for service in SERVICES:
            assert admin.ask(target, service, "GET", "/dead-letters") != []

    await eventually(have_letters, 60)
