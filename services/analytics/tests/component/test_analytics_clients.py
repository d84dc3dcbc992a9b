"""The API of analytics, as its clients have written it down (contracts/consumers)."""

from collections.abc import Mapping
from typing import Any

import pytest

from chassis.service import Service
from testkit.databases import TestDatabase
from testkit.expectations import State, assert_api_as_expected, http_clients, management_states


def states_on(ledger: Any, story: Any) -> Mapping[str, State]:
    """The states that clients ask for."""

    async def an_order_is_confirmed(asked: Mapping[str, Any]) -> None:
        await ledger.project_each(story.product(asked["sku"], asked["name"]))
        await ledger.project_each(story.order("confirmed", sku=asked["sku"]))

    return {"an order is confirmed": an_order_is_confirmed}


@pytest.mark.parametrize("consumer", http_clients("analytics"))
async def test_the_api_answers_as_a_client_has_written_down(
    consumer: str, fresh: TestDatabase, service: Service, ledger: Any, story: Any
) -> None:
    states = {**management_states(fresh), **states_on(ledger, story)}
    await assert_api_as_expected(service, consumer, states)
