"""No text and no number in a request is a fault of the service."""

import httpx
from hypothesis import given
from hypothesis import strategies as st

from testkit import assert_no_fault_of_the_service, many_requests, send_hostile_request

VALUES = {"generation": "1"}


@given(data=st.data())
@many_requests
async def test_no_request_is_a_fault_of_the_service(http: httpx.AsyncClient, data: st.DataObject) -> None:
    assert_no_fault_of_the_service(await send_hostile_request(http, data, {}, VALUES))
