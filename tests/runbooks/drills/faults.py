"""How drills make handlers fail, and what they leave behind."""

import random
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shop_lab.experiments.foreign_inputs.events import Event, EventTopic, topics_of
from shop_stack import kafka_users, paths, rights, topics
from shop_stack.ports import SERVICES
from shop_stack.rights import Operation
from tests.runbooks.drills.shop import Shop

ORDERS = "orders.order.v1"
DICE = random.Random(0)


async def take_rights(shop: Shop, service: str, operation: Operation, names: Collection[str]) -> None:
    """Take one operation on these topics from a service."""
    granted = rights.service_rights(service, topics.entries(shop.target.contracts))
    kept = [right for right in granted if (right.operation, right.name in names) != (operation, True)]
    assert len(kept) == len(granted) - len(names)
    logins = shop.stack.logins
    await kafka_users.ensure(logins.of(rights.STACK), [logins.of(service)], kept)


@asynccontextmanager
async def no_new_rows(shop: Shop, service: str, table: str) -> AsyncIterator[None]:
    """A table of a service takes no row until the context ends: what writes to it fails."""
    await shop.sql(service, f"ALTER TABLE {table} ADD CONSTRAINT drill CHECK (false) NOT VALID")
    try:
        yield
    finally:
        await shop.sql(service, f"ALTER TABLE {table} DROP CONSTRAINT drill")


async def letters_of(shop: Shop, service: str) -> list[dict[str, Any]]:
    """The open dead letters of a service."""
    found: list[dict[str, Any]] = (await shop.manage(service, "GET", "/admin/dead-letters")).json()
    return found


async def discard_all(shop: Shop) -> None:
    """Give up every open dead letter, so that the next drill begins without one."""
    for service in SERVICES:
        for letter in await letters_of(shop, service):
            await shop.manage(service, "POST", "/admin/dead-letters/discard", json={"id": letter["id"]})


def product(sku: str) -> dict[str, object]:
    """The body that lists a product in inventory."""
    return {"sku": sku, "name": sku, "price": {"amount_minor": 100, "currency": "EUR"}, "on_hand": 10}


@asynccontextmanager
async def topic_setting(shop: Shop, topic: str, name: str, value: str) -> AsyncIterator[None]:
    """A topic has one more setting until the context ends."""
    await set_topic(shop, topic, {name: value})
    try:
        yield
    finally:
        await set_topic(shop, topic, {})


async def set_topic(shop: Shop, topic: str, more: Mapping[str, str]) -> None:
    """A topic has the settings that are declared, and these. Kafka replaces all settings of a topic at once."""
    declared = next(one for one in topics.declared(paths.contracts()) if one.name == topic)
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs={**declared.settings, **more})
    admin = AIOKafkaAdminClient(**shop.kafka.client)
    await admin.start()
    try:
        await admin.alter_configs([resource])
    finally:
        await admin.close()


def topic_of(shop: Shop, name: str) -> EventTopic:
    """A topic with examples of its events."""
    return topics_of(shop.target.contracts)[name]


async def send(shop: Shop, *events: Event) -> None:
    """Put foreign records on their topics, one after the other."""
    producer = AIOKafkaProducer(**shop.kafka.client)
    await producer.start()
    try:
        for event in events:
            headers = [(name.decode(), value) for name, value in event.headers.items()]
            await producer.send_and_wait(event.topic, event.value, event.key, headers=headers)
    finally:
        await producer.stop()
