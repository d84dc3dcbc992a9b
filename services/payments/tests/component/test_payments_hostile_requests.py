"""No text and no number in a request is a fault of the service."""

from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.events import new_id
from testkit import assert_no_fault_of_the_service, hostile_requests

SELECTION = {"id": 1, "topic": "orders.order.v1", "key": "a"}
BODIES: dict[str, Any] = {
    "POST /admin/dead-letters/redrive": SELECTION,
    "POST /admin/dead-letters/discard": SELECTION,
    "POST /admin/outbox/send-again": SELECTION,
    "POST /admin/outbox/give-up": SELECTION,
}
VALUES = {"order_id": str(new_id()), "letter_id": "1", "limit": "5", "key": "a", "state": "open"}


@given(data=st.data())
@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_no_request_is_a_fault_of_the_service(http: httpx.AsyncClient, data: st.DataObject) -> None:
    document = (await http.get("/openapi.json")).json()
    answer = await http.send(data.draw(hostile_requests(document, BODIES, VALUES)))
    assert_no_fault_of_the_service(answer)
