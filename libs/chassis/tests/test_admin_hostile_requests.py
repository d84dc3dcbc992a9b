"""No text and no number in an operator's request is a fault of the service."""

from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from testkit import assert_no_fault_of_the_service, hostile_requests, many_requests

SELECTION = {"id": 1, "topic": "orders.order.v1", "key": "a"}
BODIES: dict[str, Any] = {
    "POST /admin/dead-letters/redrive": SELECTION,
    "POST /admin/dead-letters/discard": SELECTION,
    "POST /admin/outbox/send-again": SELECTION,
    "POST /admin/outbox/give-up": SELECTION,
}
VALUES = {"letter_id": "1", "limit": "5", "key": "a", "state": "open"}


@given(data=st.data())
@many_requests
async def test_no_request_of_an_operator_is_a_fault_of_the_service(
    operator: httpx.AsyncClient, data: st.DataObject
) -> None:
    document = (await operator.get("/admin/openapi.json")).json()
    assert document["paths"].keys() >= {"/admin/republish", "/admin/dead-letters/{letter_id}"}
    answer = await operator.send(data.draw(hostile_requests(document, BODIES, VALUES)))
    assert_no_fault_of_the_service(answer)
