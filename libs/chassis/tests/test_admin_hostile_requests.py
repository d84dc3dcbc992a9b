"""No text and no number in an operator's request is a fault of the service."""

from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from testkit import assert_no_fault_of_the_service, many_requests, send_hostile_request

SELECTION = {"id": 1, "topic": "orders.order.v1", "key": "a"}
BODIES: dict[str, Any] = {
    "POST /admin/dead-letters/redrive": SELECTION,
    "POST /admin/dead-letters/discard": SELECTION,
    "POST /admin/outbox/send-again": SELECTION,
    "POST /admin/outbox/give-up": SELECTION,
}
VALUES = {"letter_id": "1", "limit": "5", "key": "a", "state": "open"}


DOCUMENT = "/admin/openapi.json"


async def test_the_document_of_the_admin_api_has_operations_to_try(operator: httpx.AsyncClient) -> None:
    document = (await operator.get(DOCUMENT)).json()
    assert document["paths"].keys() >= {"/admin/republish", "/admin/dead-letters/{letter_id}"}


@given(data=st.data())
@many_requests
async def test_no_request_of_an_operator_is_a_fault_of_the_service(
    operator: httpx.AsyncClient, data: st.DataObject
) -> None:
    answer = await send_hostile_request(operator, data, BODIES, VALUES, document=DOCUMENT)
    assert_no_fault_of_the_service(answer)
