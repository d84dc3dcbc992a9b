"""The API of payments, as its clients have written it down (contracts/consumers)."""

import pytest

from payments.main import create_service
from payments.settings import Settings
from testkit.databases import MakeDatabase
from testkit.expectations import assert_api_as_expected, http_clients, management_states


@pytest.mark.parametrize("consumer", http_clients("payments"))
async def test_the_api_answers_as_a_client_has_written_down(consumer: str, database: MakeDatabase) -> None:
    made = await database("payments")
    settings = {
        "database_url": made.url,
        "kafka_bootstrap_servers": "127.0.0.1:1",
        "processor_api_key": "merchants-key",
        "SHOP_ROLE": "api",
    }
    service = create_service(Settings.model_validate(settings))
    await assert_api_as_expected(service, consumer, management_states(made))
