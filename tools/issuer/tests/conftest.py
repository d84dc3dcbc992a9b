"""A clock that the tests of the issuer set, and an issuer with one secret for each client."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from issuer.main import create_app
from issuer.settings import Settings

SECRETS = {name: f"{name}-secret" for name in ("storefront", "clerk", "operator", "notifications")}
URL = "http://issuer.test"
USERS = "/scim/v2/Users"


class Clock:
    """Seconds since 1970."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def issuer(tmp_path: Path, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the issuer."""
    app = create_app(Settings("", 0, URL, tmp_path / "keys.json", tmp_path / "customers", SECRETS), clock)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=URL) as client,
    ):
        yield client
