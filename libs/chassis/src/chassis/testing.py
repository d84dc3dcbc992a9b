"""For tests of services: wait without sleeping, call the app, wrap events as a handler gets them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar
from unittest import mock
from uuid import UUID

import httpx
import uvicorn
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import ClauseElement, MetaData
from sqlalchemy import Connection as SyncConnection
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from chassis.events import Cause, ConsumedEvent, Envelope, PublishedEvent, new_id
from chassis.outbox import Transaction
from chassis.postgres import connection as _connection
from chassis.service import Service

T = TypeVar("T")
E = TypeVar("E", bound=ConsumedEvent)


async def eventually(check: Callable[[], Awaitable[T]], deadline: float = 10.0) -> T:
    """Call `check` until it raises no AssertionError any more, and return what it returned.

    After `deadline` seconds the last AssertionError is raised.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline
    while True:
        try:
            return await check()
        except AssertionError:
            if loop.time() > end:
                raise
        await asyncio.sleep(0.02)


@asynccontextmanager
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client on a service, in this process, with its lifespan running. Unexpected errors are answered 500."""
    async with service.runtime.running(service.app):
        transport = httpx.ASGITransport(service.asgi, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as http:
            yield http


async def listening(server: uvicorn.Server) -> int:
    """Have a server listen as `serve` would, without its main loop; returns its port. End it by `shutdown`."""
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port


def received(
    event: E,
    *,
    id: UUID | None = None,
    source: str = "/test",
    subject: str | None = None,
    correlation_id: str | None = None,
    time: datetime | None = None,
) -> Envelope[E]:
    """An event as the inbox would give it to a handler; the subject is its order_id or sku unless told."""
    event_id = id or new_id()
    about = subject or str(getattr(event, "order_id", None) or getattr(event, "sku", "subject"))
    cause = Cause(event_id, correlation_id or about, None)
    return Envelope(event_id, source, event.event_type, about, time or datetime.now(UTC), event, cause)


@contextmanager
def statements() -> Iterator[list[str]]:
    """The SQL statements that are sent inside the block; BEGIN and COMMIT are not among them."""
    sent: list[str] = []
    compiled = _connection.compiled

    def note(statement: ClauseElement, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
        query, arguments = compiled(statement, values)
        sent.append(query)
        return query, arguments

    with mock.patch.object(_connection, "compiled", note):
        yield sent


async def differences(url: str, tables: MetaData) -> list[Any]:
    """In what a migrated database and `tables` differ, tables that are not among them left out."""

    def compare(database: SyncConnection) -> list[Any]:
        def among(name: str | None, kind: str, _: object) -> bool:
            return kind != "table" or name in tables.tables

        context = MigrationContext.configure(database, opts={"include_name": among, "compare_type": True})
        return list(compare_metadata(context, tables))

    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    async with engine.connect() as database:
        found = await database.run_sync(compare)
    await engine.dispose()
    return found


async def published(tx: Transaction) -> list[PublishedEvent]:
    """What a transaction is going to publish, in order, as whoever reads it would have it."""
    models = {model.event_type: model for model in PublishedEvent.__subclasses__()}
    return [models[row.type].model_validate_json(row.data) for row in tx.rows]
