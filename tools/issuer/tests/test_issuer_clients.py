"""The API of the issuer, as its clients have written it down (contracts/consumers)."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from issuer.main import create_app
from issuer.settings import Settings
from testkit.expectations import Provider, State, assert_app_as_expected, http_clients

URL = "http://issuer.test"
SECRETS = {name: f"{name}-secret" for name in ("storefront", "clerk", "operator", "notifications")}
ENTRY = """
    INSERT OR REPLACE INTO customers (pseudonym, login, email, created_at)
    VALUES (?, ?, ?, '2026-03-02T09:00:00Z')
"""


def states_in(customers: Path) -> Mapping[str, State]:
    """The states that clients ask for, as entries of the directory."""

    async def a_customer_is_in_the_directory(asked: Mapping[str, Any]) -> None:
        connection = sqlite3.connect(customers)
        with connection:
            connection.execute(ENTRY, (asked["pseudonym"], asked["login"], asked["address"]))
        connection.close()

    return {"a customer is in the directory": a_customer_is_in_the_directory}


@pytest.mark.parametrize("consumer", http_clients("issuer"))
async def test_the_api_answers_as_a_client_has_written_down(consumer: str, tmp_path: Path) -> None:
    customers = tmp_path / "customers"
    app = create_app(Settings("", 0, URL, tmp_path / "keys.json", customers, SECRETS))
    transport = httpx.ASGITransport(app)

    async def authorize(given: str) -> str:
        """A token of the issuer's own in the place of the caller's name. Logins of clients stay as they are."""
        scheme, _, client = given.partition(" ")
        if scheme != "Bearer":
            return given
        form = {"grant_type": "client_credentials", "audience": "directory"}
        async with httpx.AsyncClient(transport=transport, base_url=URL) as http:
            answer = await http.post("/token", data=form, auth=(client, SECRETS[client]))
        return f"Bearer {answer.json()['access_token']}"

    async with app.router.lifespan_context(app):
        await assert_app_as_expected(
            "issuer", consumer, Provider(app, states_in(customers), authorize=authorize)
        )
