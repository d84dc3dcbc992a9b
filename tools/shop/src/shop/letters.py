"""Open dead letters, asked of the services themselves: what they keep until an operator decides."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

SECONDS = 5.0
"""How long one service may take to answer."""
MOST = 1_000
"""Letters that a service gives at once."""


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
    """The event's type; empty if the message is no event."""
    key: str
    since: datetime

    @classmethod
    def of(cls, service: str, body: Mapping[str, Any]) -> OpenLetter:
        """The letter in an answer of `/admin/dead-letters`."""
        since = datetime.fromisoformat(body["created_at"])
        return cls(service, body["id"], body["state"], body["reason"], body["type"] or "", body["key"], since)


Letters = Mapping[str, Sequence[OpenLetter] | None]
"""Service → its open letters, oldest first; None if it did not say."""


async def open_letters(service_urls: Mapping[str, str], key: str | None = None) -> Letters:
    """The open letters of each service, at most MOST of each; with `key` those of one order or product."""
    async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as client:
        found = await asyncio.gather(
            *(_letters_of(client, service, url, key) for service, url in service_urls.items())
        )
    return dict(zip(service_urls, found, strict=True))


async def _letters_of(
    client: httpx.AsyncClient, service: str, url: str, key: str | None
) -> Sequence[OpenLetter] | None:
    asked: dict[str, Any] = {"state": "open", "limit": MOST, **({"key": key} if key else {})}
    try:
        answer = await client.get(f"{url}/admin/dead-letters", params=asked)
        return [OpenLetter.of(service, body) for body in answer.raise_for_status().json()]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None


def warning(service: str, letters: Sequence[OpenLetter]) -> str:
    """One sentence: how many letters a service keeps, since when, and how to see them."""
    count = f"{MOST:,} or more" if len(letters) == MOST else str(len(letters))
    noun = "dead letter" if len(letters) == 1 else "dead letters"
    since = min(letter.since for letter in letters)
    return f"{service} keeps {count} {noun} since {clock(since)}: `shop dead-letters list {service}`"


def clock(moment: datetime) -> str:
    """A moment as people read it, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
