"""What an operator selects by is any text that PostgreSQL can compare, and all else is refused."""

import json
from typing import Any

import httpx
import pytest

PATHS = [
    "/admin/dead-letters/redrive",
    "/admin/dead-letters/discard",
    "/admin/outbox/send-again",
    "/admin/outbox/give-up",
]


def assert_invalid(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:shopfloor:problem:invalid-request")


@pytest.mark.parametrize("query", ["key=%00", "key=a%00b", "state=%00", f"key={'a' * 501}"])
async def test_a_listing_by_text_that_cannot_be_compared_is_refused(
    operator: httpx.AsyncClient, query: str
) -> None:
    assert_invalid(await operator.get(f"/admin/dead-letters?{query}"))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "selection",
    [
        {"key": "\x00"},
        {"key": "\ud800"},
        {"key": "a", "topic": "\x00"},
        {"key": "a", "topic": "\ud800"},
        {"key": "a" * 501},
        {"key": "a", "topik": "things.thing.v1"},
    ],
)
async def test_a_selection_by_text_that_cannot_be_compared_is_refused(
    operator: httpx.AsyncClient, path: str, selection: dict[str, Any]
) -> None:
    headers = {"content-type": "application/json"}
    assert_invalid(await operator.post(path, content=json.dumps(selection), headers=headers))


@pytest.mark.parametrize("key", ["\x01", "two\nlines", " a ", "e\u0301", "\ufffe"])
async def test_a_key_that_others_made_may_hold_anything_else(operator: httpx.AsyncClient, key: str) -> None:
    assert (await operator.get("/admin/dead-letters", params={"key": key})).json() == []
    assert (await operator.post(PATHS[0], json={"key": key})).json()["ended"] == 0
