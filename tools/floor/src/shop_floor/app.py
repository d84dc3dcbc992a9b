"""The addresses of the server. Those that change something are in `acts.py`."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles

from shop_floor import mermaid
from shop_floor.floor import Floor, sent_event
from shop_floor.guard import ALIVE, Guard, Guarded
from shop_floor.jobs import Job, Readings
from shop_floor.letters import letters_of_order
from shop_floor.story import story_of
from shop_observe.kafka_log import Entry
from shop_observe.topics import all_topics
from shop_stack.errors import UserError
from shop_stack.target import Target, TargetMissing

STATIC = Path(__file__).parent / "static"
VIEWS = ("", "storefront", "dead-letters", "faults", "contracts", "labs")
POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; font-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Everything comes from this server, and no other site may show it in a frame."""

ReadOrder = Callable[[str], Awaitable[tuple[list[Entry], list[str]]]]
"""Takes an order's id. Returns all of its records, and sentences of what could not be read."""


@dataclass
class Shop:
    """What the addresses of the server use."""

    target: Target
    floor: Floor
    guard: Guard
    read_order: ReadOrder
    placed: dict[str, str] = field(default_factory=dict)
    """Order → the login name of its customer, for orders that were placed on this page."""
    readings: Readings = field(default_factory=Readings)
    searches: Readings = field(default_factory=Readings)
    """Searches of the log for the records of one order. Each needs some megabytes and a core."""
    matrix: Job = field(default_factory=lambda: Job("The comparison"))
    drill: Job = field(default_factory=lambda: Job("A command of the drill"))

    async def close(self) -> None:
        """Read no more, and end what was started in the background."""
        for part in (self.floor, self.readings, self.searches, self.matrix, self.drill):
            await part.close()


def shop_of(request: Request) -> Shop:
    """The shop of this server."""
    shop: Shop = request.app.state.shop
    return shop


def create_app(shop: Shop, *routers: APIRouter) -> FastAPI:
    """The server for one shop. `routers` have further addresses."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await shop.close()

    app = FastAPI(title="shop floor", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.shop = shop
    app.include_router(router)
    for each in routers:
        app.include_router(each)
    app.mount("/static", StaticFiles(directory=STATIC))
    app.add_exception_handler(UserError, as_sentence)
    app.add_exception_handler(TargetMissing, as_sentence)
    app.add_middleware(Guarded, guard=shop.guard)
    return app


async def as_sentence(_: Request, error: Exception) -> Response:
    """An error that the user can cure, as its sentence."""
    return Response(json.dumps({"detail": str(error)}), 502, media_type="application/json")


router = APIRouter()


@router.get(ALIVE)
async def livez() -> PlainTextResponse:
    """The server lives."""
    return PlainTextResponse("ok")


@router.get("/api/session")
async def session(request: Request) -> dict[str, str]:
    """The token for requests that act. Only a page of this server can read it."""
    shop = shop_of(request)
    return {"token": shop.guard.token_of(request.headers) or "", "target": shop.target.name}


@router.get("/api/map")
async def shop_map(request: Request) -> dict[str, Any]:
    """The parts that the map is drawn of: who owns which topic, and who reads it."""
    topics = all_topics(shop_of(request).target.contracts)
    return {
        "services": list(shop_of(request).target.management_urls),
        "topics": [
            {"name": topic.name, "owner": topic.owner, "readers": list(topic.readers)}
            for topic in topics
            if topic.events
        ],
    }


class Stream(StreamingResponse):
    """Server-sent events, as bytes. FastAPI's own response makes a model and two tasks more for each page."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes]) -> None:
        super().__init__(events, headers={"cache-control": "no-cache", "x-accel-buffering": "no"})


@router.get("/api/stream")
async def stream(request: Request) -> Response:
    """The frames of the map, four a second."""
    return Stream(frames_of(shop_of(request).floor))


async def frames_of(floor: Floor) -> AsyncIterator[bytes]:
    """What a new page needs, and then the frames as they come. A page that is too slow misses the oldest ones."""
    async with floor.page() as page:
        yield sent_event("whole", floor.whole())
        while True:
            await page.news.wait()
            page.news.clear()
            while page.frames:
                yield page.frames.popleft()


@router.get("/api/orders/{order_id}/stream")
async def order_stream(request: Request, order_id: str) -> Response:
    """The story of one order, again after each of its records."""
    return Stream(stories_of(shop_of(request), known_form(order_id)))


async def stories_of(shop: Shop, order_id: str) -> AsyncIterator[bytes]:
    """The story of an order now, and again after each of its records."""
    async with shop.floor.page(order_id) as page:
        entries, lacks = await found(shop, order_id)
        while True:
            yield sent_event("story", await story(shop, order_id, entries, lacks))
            await page.news.wait()
            page.news.clear()
            while page.entries:
                entries.append(page.entries.popleft())


@router.get("/api/orders/{order_id}/export.json")
async def export_json(request: Request, order_id: str) -> Response:
    """The story of one order, to keep."""
    shop, canonical = shop_of(request), known_form(order_id)
    text = orjson.dumps(
        await story(shop, canonical, *await found(shop, canonical)), option=orjson.OPT_INDENT_2
    )
    return attachment(text, "application/json", f"order-{canonical}.json")


@router.get("/api/orders/{order_id}/export.mmd")
async def export_mermaid(request: Request, order_id: str) -> Response:
    """The story of one order as a sequence diagram in Mermaid."""
    shop, canonical = shop_of(request), known_form(order_id)
    text = mermaid.diagram(await story(shop, canonical, *await found(shop, canonical)))
    return attachment(text.encode(), "text/plain", f"order-{canonical}.mmd")


def known_form(order_id: str) -> str:
    """An order's id in canonical form. Raises HTTPException 404 if it is none."""
    try:
        return str(UUID(order_id))
    except ValueError:
        raise HTTPException(
            404, "This is no order id: an order id is a UUID, as `shop order` prints it."
        ) from None


async def found(shop: Shop, order_id: str) -> tuple[list[Entry], list[str]]:
    """The records of an order, and what could not be read. An unreadable log is such a sentence."""
    try:
        entries, lacks = await shop.searches.of(order_id, lambda: shop.read_order(order_id))
    except (UserError, OSError) as error:
        return [], [str(error)]
    # A copy: other pages of this order may have got the same lists.
    return [*entries], [*lacks]


async def story(shop: Shop, order_id: str, entries: list[Entry], lacks: list[str]) -> dict[str, Any]:
    """The story of an order with its dead letters."""
    letters, away = await letters_of_order(shop.target, order_id)
    return {**story_of(order_id, entries, [*lacks, *away]), "letters": letters}


def attachment(content: bytes, kind: str, name: str) -> Response:
    """A file for the user to keep."""
    return Response(
        content, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'}
    )


@router.get("/{view}")
@router.get("/order/{view}")
@router.get("/")
async def page(request: Request, view: str = "") -> Response:
    """The one HTML page. The browser draws the view of the address."""
    if not request.url.path.startswith("/order/") and view not in VIEWS:
        return PlainTextResponse(f"There is no page {request.url.path}.", 404)
    nonce = secrets.token_urlsafe(12)
    html = (STATIC / "index.html").read_text().replace("{{nonce}}", nonce)
    headers = {
        "content-security-policy": POLICY.format(nonce=nonce),
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }
    return HTMLResponse(html, headers=headers)
