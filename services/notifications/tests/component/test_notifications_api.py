"""What can be read over HTTP."""

from typing import Any
from uuid import UUID

import httpx

from chassis.events import new_id
from notifications.channels import LogChannel, SmtpChannel
from notifications.jobs import deliver


def slug(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).removeprefix("urn:shopfloor:problem:")


async def test_an_order_shows_what_its_customer_was_told(
    desk: Any, http: httpx.AsyncClient, order: UUID
) -> None:
    await desk.cancel(order)
    await deliver(LogChannel(), desk.database)
    await desk.refund(order)
    await desk.confirm(new_id())
    answer = await http.get("/notifications", params={"order_id": str(order)})
    assert answer.status_code == 200
    page = answer.json()
    assert [(n["kind"], n["state"], n["channel"]) for n in page["notifications"]] == [
        ("refunded", "PENDING", None),
        ("cancelled", "SENT", "log"),
    ]
    assert page["next_cursor"] is None


async def test_a_notification_shows_why(desk: Any, http: httpx.AsyncClient, order: UUID) -> None:
    await desk.reject(order, sold_out=("mug", "tea"))
    confirmed = new_id()
    await desk.confirm(confirmed)
    [rejected] = (await http.get("/notifications", params={"order_id": str(order)})).json()["notifications"]
    assert (rejected["reason"], rejected["sold_out"]) == ("out_of_stock", ["mug", "tea"])
    [other] = (await http.get("/notifications", params={"order_id": str(confirmed)})).json()["notifications"]
    assert (other["reason"], other["sold_out"]) == (None, [])


async def test_an_order_without_news_has_an_empty_list(http: httpx.AsyncClient, order: UUID) -> None:
    answer = await http.get("/notifications", params={"order_id": str(order)})
    assert answer.json() == {"notifications": [], "next_cursor": None}


async def test_pages_follow_each_other_without_gap_or_repetition(desk: Any, http: httpx.AsyncClient) -> None:
    await desk.confirm(*(new_id() for _ in range(7)))
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = (await http.get("/notifications", params=params)).json()
        seen += [n["id"] for n in page["notifications"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [str(row["id"]) for row in reversed(await desk.rows())]


async def test_a_tampered_cursor_is_refused_as_such(desk: Any, http: httpx.AsyncClient) -> None:
    await desk.confirm(new_id(), new_id())
    cursor = (await http.get("/notifications", params={"limit": "1"})).json()["next_cursor"]
    answer = await http.get("/notifications", params={"cursor": cursor[:-4] + "AAAA"})
    assert (answer.status_code, slug(answer)) == (400, "invalid-cursor")


async def test_an_order_id_that_is_none_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.get("/notifications", params={"order_id": "seven"})
    assert (answer.status_code, slug(answer)) == (422, "invalid-request")


async def test_failed_messages_are_listed_and_sent_again_by_request(
    desk: Any, http: httpx.AsyncClient, relay: Any, addresses: Any, order: UUID
) -> None:
    await desk.confirm(order, customer_id="two words")
    await desk.confirm(new_id())
    await deliver(SmtpChannel(relay.url, "orders@shopfloor.example", addresses), desk.database)
    listed = (await http.get("/notifications", params={"state": "FAILED"})).json()["notifications"]
    assert [(n["order_id"], n["last_error"]) for n in listed] == [(str(order), "invalid-address")]

    answer = await http.post(f"/notifications/{listed[0]['id']}/retry")
    assert (answer.status_code, answer.json()["state"]) == (202, "PENDING")
    assert await deliver(LogChannel(), desk.database) == 1
    again = await http.post(f"/notifications/{listed[0]['id']}/retry")
    assert (again.status_code, slug(again)) == (409, "not-failed")


async def test_a_notification_that_does_not_exist_cannot_be_sent_again(http: httpx.AsyncClient) -> None:
    answer = await http.post(f"/notifications/{new_id()}/retry")
    assert (answer.status_code, slug(answer)) == (404, "unknown-notification")
