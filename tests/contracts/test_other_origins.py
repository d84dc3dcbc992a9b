"""A page of another origin reads no answer: no service allows it (CORS), and none takes a login from a cookie."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from chassis.service import Service
from testkit import login, trust_test_keys

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))
PAGE = {"Origin": "https://stranger.example"}
PREFLIGHT = PAGE | {
    "Access-Control-Request-Method": "GET",
    "Access-Control-Request-Headers": "authorization",
}
FEATURES = ("access-control-", "set-cookie")
"""Beginnings of the names of headers that would let a page of another origin, or a cookie, in."""


async def allowances(app: ASGIApp, path: str, headers: dict[str, str]) -> set[str]:
    """The headers with which the app allows something to a page of another origin."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    found = set()
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as http:
        for method, asked in (("OPTIONS", PREFLIGHT), ("GET", PAGE | headers), ("GET", PAGE)):
            answer = await http.request(method, path, headers=asked)
            found |= {name for name in answer.headers if name.startswith(FEATURES)}
    return found


@pytest.mark.parametrize("name", SERVICES)
async def test_no_port_allows_a_page_of_another_origin_to_read_an_answer(
    service_of: Callable[[str], Service], name: str
) -> None:
    service = service_of(name)
    await trust_test_keys(service)
    for app, path in ((service.asgi, "/openapi.json"), (service.management_asgi, "/admin/dead-letters")):
        assert await allowances(app, path, login(name)) == set()


async def test_a_port_that_allows_every_origin_is_seen(service_of: Callable[[str], Service]) -> None:
    open_to_all = CORSMiddleware(service_of("orders").asgi, allow_origins=["*"], allow_headers=["*"])
    assert "access-control-allow-origin" in await allowances(open_to_all, "/openapi.json", {})
