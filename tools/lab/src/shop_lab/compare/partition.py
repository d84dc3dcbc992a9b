"""A partition: what customers get while orders reaches no Kafka, or not its database.

Kafka is frozen (SIGSTOP), so its connections stay open and silent, as behind a broken switch. The database refuses
connections of the role of orders, and ends those that it has: the other services keep theirs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from shop_lab.compare import window
from shop_lab.compare.figures import cut_name
from shop_lab.compare.window import Window
from shop_lab.testbed import Testbed
from shop_stack import hands, role_limits
from shop_stack.errors import UserError

SERVICE = "orders"
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1"


@asynccontextmanager
async def without_kafka(testbed: Testbed) -> AsyncIterator[None]:
    """A context in which no service reaches Kafka."""
    for name in testbed.stack.broker_names:
        hands.freeze(testbed.stack, name)
    try:
        yield
    finally:
        for name in testbed.stack.broker_names:
            await hands.resume(testbed.stack, name)


@asynccontextmanager
async def without_database(testbed: Testbed) -> AsyncIterator[None]:
    """A context in which orders does not reach its database. Raises UserError if it did all the same."""
    async with testbed.database("postgres") as connection:
        await role_limits.cut_off(connection, SERVICE)
    try:
        yield
        async with testbed.database("postgres") as connection:
            if await connection.fetchval(SESSIONS, SERVICE):
                raise UserError(f"{SERVICE} was not cut off: it has connections to its database.")
    finally:
        async with testbed.database("postgres") as connection:
            await role_limits.admit(connection, SERVICE)


CUTS: Mapping[str, Callable[[Testbed], AbstractAsyncContextManager[None]]] = {
    "kafka": without_kafka,
    "database": without_database,
}


async def cut_all(testbed: Testbed, seconds: float, log: Callable[[str], None]) -> list[Window]:
    """Let orders arrive for some seconds behind each cut. A shape without Kafka cannot lose it. Raises UserError."""
    windows = []
    for name, cut in CUTS.items():
        if name == "kafka" and not testbed.stack.shape.has_kafka:
            continue
        log(f"cut off from {name}")
        async with cut(testbed):
            windows.append(await window.watch(testbed, cut_name(name), seconds))
        await window.come_to_rest(testbed, windows[-1].broken)
    return windows
