"""The API of notifications, as its clients have written it down (contracts/consumers)."""

import pytest

from notifications.main import create_service
from testkit.databases import MakeDatabase
from testkit.expectations import assert_api_as_expected, http_clients, management_states


@pytest.mark.parametrize("consumer", http_clients("notifications"))
async def test_the_api_answers_as_a_client_has_written_down(
    consumer: str, database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await database("notifications")
    monkeypatch.setenv("DATABASE_URL", made.url)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("SHOP_ROLE", "api")
    await assert_api_as_expected(create_service(), consumer, management_states(made))
