"""Dead letters, as the admin APIs of the services list them."""

from __future__ import annotations

import asyncio
from typing import Any

from shop_observe.timeline import shown
from shop_stack.admin import ask
from shop_stack.errors import UserError
from shop_stack.target import Target

MOST_SHOWN = 200
"""Dead letters of each service in the list."""
MOST_CHARACTERS = 300


async def open_letters(target: Target, **asked: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The open dead letters of all services, oldest first in each, and a sentence for each that did not answer."""
    names = list(target.management_urls)
    answers = await asyncio.gather(*(asyncio.to_thread(_of, target, name, asked) for name in names))
    found = [letter for letters, _ in answers for letter in letters]
    return found, [sentence for _, sentence in answers if sentence]


async def letters_of_order(target: Target, order_id: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The open dead letters of one order."""
    return await open_letters(target, key=order_id)


def _of(target: Target, service: str, asked: dict[str, str]) -> tuple[list[dict[str, Any]], str]:
    try:
        params = {"state": "open", "limit": str(MOST_SHOWN), **asked}
        rows = ask(target, service, "GET", "/dead-letters", params=params)
        return [row_of(service, row) for row in rows], ""
    except (UserError, KeyError, TypeError, AttributeError) as error:
        return [], str(error) or f"{service} answers in another way than a service does."


def row_of(service: str, row: dict[str, Any]) -> dict[str, Any]:
    """A dead letter for the page. Foreign texts are shortened, and their control characters replaced."""
    return {
        "service": service,
        "id": int(row["id"]),
        "state": str(row["state"]),
        "reason": shown(str(row["reason"]), MOST_CHARACTERS),
        "error": shown(str(row.get("error") or ""), MOST_CHARACTERS),
        "type": shown(str(row["type"] or ""), MOST_CHARACTERS),
        "key": shown(str(row["key"] or ""), MOST_CHARACTERS),
        "since": str(row["created_at"]),
    }
