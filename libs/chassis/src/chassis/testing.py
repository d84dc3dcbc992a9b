"""For tests of services: wait without sleeping, call the app, wrap events as a handler gets them, hostile requests."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from unittest import mock
from urllib.parse import quote
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

if TYPE_CHECKING:
    from hypothesis import strategies

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


HOSTILE_TEXTS = (
    *(
        "",
        " ",
        "\x00",
        "a\x00b",
        "\x7f",
        "\x85",
        "\u2028",
        "\ufffe",
        "\ud800",
        "e\u0301",
        "%00",
        "..",
        "/",
        "'",
        '"',
        "\\",
    ),
    *(
        "a" * 65,
        "a" * 256,
        "\U0001f600" * 70,
        "0" * 400,
        "1e999",
        "NaN",
        "-1",
        "9223372036854775808",
        "null",
        "EUR",
        "ZZZ",
    ),
)
UNSTORABLE_TEXTS = ("\x00", "a\x00b", "\ud800")
HOSTILE_NUMBERS = (
    0,
    -1,
    2**31,
    2**53,
    2**63 - 1,
    2**63,
    -(2**63),
    10**30,
    10**400,
    0.5,
    1e308,
    float("inf"),
    float("nan"),
)


def hostile_requests(
    document: Mapping[str, Any], bodies: Mapping[str, Any], values: Mapping[str, str]
) -> "strategies.SearchStrategy[httpx.Request]":
    """Requests for any operation of an OpenAPI document, good but for text and numbers of all kinds in some places.

    `bodies` has a good body for each operation that takes one (`POST /orders`), `values` good values of parameters by
    their names. Raises KeyError for an operation whose body is missing.
    """
    from hypothesis import strategies as st

    texts = st.text(max_size=20) | st.sampled_from(HOSTILE_TEXTS) | st.sampled_from(UNSTORABLE_TEXTS)
    leaves = st.none() | st.booleans() | st.integers() | st.sampled_from(HOSTILE_NUMBERS) | texts
    things = leaves | st.lists(leaves, max_size=3) | st.dictionaries(texts, leaves, max_size=3)
    raw_bodies = st.binary(max_size=20) | st.sampled_from([b"[" * 60_000, b'{"a":' * 10_000, b"1" * 60_000])
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    for method, path, operation in operations:
        if "requestBody" in operation:
            bodies[f"{method} {path}"]

    def spoiled(draw: "strategies.DrawFn", good: Any) -> Any:
        """`good` with something hostile in one place, or as it is."""
        match good:
            case dict() if draw(st.booleans()):
                name = draw(st.sampled_from([*good]) | texts)
                return good | {name: spoiled(draw, good.get(name))}
            case list() if good and draw(st.booleans()):
                return [spoiled(draw, good[0]), *good[1:]]
        return draw(st.just(good) | things)

    def parameter(draw: "strategies.DrawFn", name: str) -> str:
        value = draw(texts | st.just(values.get(name, "")) | st.just(values.get(name, "")))
        return quote(value, safe="", errors="surrogatepass")

    @st.composite
    def requests(draw: "strategies.DrawFn") -> httpx.Request:
        method, template, operation = draw(st.sampled_from(operations))
        path = template
        query: list[str] = []
        headers = {}
        for declared in operation.get("parameters", ()):
            name = declared["name"]
            is_given: bool = draw(st.booleans())
            match declared["in"]:
                case "path":
                    path = path.replace(f"{{{name}}}", parameter(draw, name))
                case "query" if is_given:
                    query.append(f"{name}={parameter(draw, name)}")
                case "header" if is_given:
                    headers[name] = draw(
                        st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=300)
                    )
        content: bytes | None = None
        if "requestBody" in operation:
            content = json.dumps(spoiled(draw, bodies[f"{method} {template}"])).encode()
            content = draw(st.just(content) | st.just(content) | raw_bodies)
            headers["Content-Type"] = "application/json"
        raw_headers = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        url = f"http://service{path}?{'&'.join(query)}"
        return httpx.Request(method, url, headers=raw_headers, content=content)

    return requests()
