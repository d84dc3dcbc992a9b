"""No text and no number in a request is a fault of the service."""

from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from chassis.events import new_id
from testkit import assert_no_fault_of_the_service, many_requests, send_hostile_request

BODIES: dict[str, Any] = {
    "POST /orders": {
        "customer_id": "c-ada",
        "lines": [{"sku": "mug", "quantity": 1}],
        "currency": "EUR",
        "payment_token": "tok_ok",
        "deadline_seconds": 30,
    },
}
VALUES = {
    "order_id": str(new_id()),
    "customer_id": "c-ada",
}


@given(data=st.data())
@many_requests
async def test_no_request_is_a_fault_of_the_service(
    floor: Any, http: httpx.AsyncClient, data: st.DataObject
) -> None:
    assert_no_fault_of_the_service(await send_hostile_request(http, data, BODIES, VALUES))
