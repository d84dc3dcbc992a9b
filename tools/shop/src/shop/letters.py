"""Open dead letters: events that a service stores until an operator decides. They are read from the admin APIs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from shop_stack.errors import UserError

SECONDS = 5.0
"""Timeout of one request to a service."""
MOST = 1_000
"""The most dead letters that a service returns at once."""


@dataclass(frozen=True, slots=True)
class OpenLetter:
    """A dead letter that waits for an operator's decision."""

    service: str
    """The service that could not handle the event."""
    id: int
    state: str
    """HELD, WAITING or PARKED."""
    reason: str
    type: str
    """The event's type; empty if the message is not an event."""
    key: str
    since: datetime

    @classmethod
    def of(cls, service: str, body: Mapping[str, Any]) -> OpenLetter:
        """The dead letter in an item of the answer of `/admin/dead-letters`."""
        since = datetime.fromisoformat(body["created_at"])
        return cls(service, body["id"], body["state"], body["reason"], body["type"] or "", body["key"], since)


Letters = Mapping[str, Sequence[OpenLetter] | None]
"""Service → its open dead letters, oldest first; None if the service did not answer."""


async def open_letters(
    management_urls: Mapping[str, str], login: httpx.Auth, key: str | None = None
) -> Letters:
    """The open dead letters of each service, at most MOST of each. `key` limits them to one order or product."""
    async with httpx.AsyncClient(timeout=SECONDS, trust_env=False, auth=login) as client:
        found = await asyncio.gather(
            *(_letters_of(client, service, url, key) for service, url in management_urls.items())
        )
    return dict(zip(management_urls, found, strict=True))


async def _letters_of(
    client: httpx.AsyncClient, service: str, url: str, key: str | None
) -> Sequence[OpenLetter] | None:
    asked: dict[str, Any] = {"state": "open", "limit": MOST, **({"key": key} if key else {})}
    try:
        answer = await client.get(f"{url}/admin/dead-letters", params=asked)
        return [OpenLetter.of(service, body) for body in answer.raise_for_status().json()]
    except (httpx.HTTPError, UserError, ValueError, KeyError, TypeError):
        return None


def warning(service: str, letters: Sequence[OpenLetter]) -> str:
    """One sentence: how many dead letters a service has, since when, and how to list them."""
    count = f"{MOST:,} or more" if len(letters) == MOST else str(len(letters))
    noun = "dead letter" if len(letters) == 1 else "dead letters"
    since = min(letter.since for letter in letters)
    return f"{service} keeps {count} {noun} since {clock(since)}: `shop dead-letters list {service}`"


def clock(moment: datetime) -> str:
    """A time in UTC, for people."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
