"""How drills make handlers fail, and what they leave behind."""

import random
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from shop_stack import kafka_users, rights, topics
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
