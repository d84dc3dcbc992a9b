"""The API of the card processor, as its clients have written it down (contracts/consumers)."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from processor.main import create_app
from processor.settings import Settings
from testkit.expectations import Provider, State, assert_app_as_expected, http_clients

API_KEY = "merchants-key"
ENTRY = """
    INSERT INTO entries (kind, charge_id, reference, amount_minor, currency, at)
    VALUES (?, ?, 'order-1', ?, ?, '2026-03-02T09:00:00.000000Z')
"""


def states_in(ledger: Path) -> Mapping[str, State]:
    """The states that clients ask for, as entries of the ledger."""

    def enter(kinds: tuple[str, ...], asked: Mapping[str, Any]) -> None:
        charged = (asked["charge_id"], asked["amount_minor"], asked["currency"])
        connection = sqlite3.connect(ledger)
        with connection:
            connection.execute("DELETE FROM entries WHERE charge_id = ?", charged[:1])
            connection.executemany(ENTRY, [(kind, *charged) for kind in kinds])
        connection.close()

    async def there_is_a_charge(asked: Mapping[str, Any]) -> None:
        enter(("charge",), asked)

    async def the_charge_is_refunded(asked: Mapping[str, Any]) -> None:
        enter(("charge", "refund"), asked)

    return {"there is a charge": there_is_a_charge, "the charge is refunded": the_charge_is_refunded}


@pytest.mark.parametrize("consumer", http_clients("processor"))
async def test_the_api_answers_as_a_client_has_written_down(consumer: str, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.sqlite3"
    app = create_app(Settings("127.0.0.1", 0, str(ledger), 0.0, API_KEY))
    async with app.router.lifespan_context(app):
        await assert_app_as_expected("processor", consumer, Provider(app, states_in(ledger)))
