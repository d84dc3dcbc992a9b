"""The admin API of the services, as an operator calls it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from shop_stack.errors import ServiceAway, UserError
from shop_stack.logins import OPERATOR, Login
from shop_stack.ports import SERVICES
from shop_stack.target import Target

TIMEOUT_SECONDS = 60.0
MOST_ROWS = 1_000
"""The most rows that an admin API lists."""


@dataclass(frozen=True, slots=True)
class Redriven:
    """What became of the open dead letters of a service."""

    ended: int
    errors: Sequence[str]
    """Why some failed again. Each reason once."""
    keys_left: int
    """The number of keys that still have open ones."""
    is_cut: bool
    """Whether there may be more of them than the admin API lists. Then only the oldest were tried."""


def ask(target: Target, service: str, method: str, path: str, **request: Any) -> Any:
    """Call a service's admin API and return its answer, read as JSON.

    `path` is the part after `/admin`. `request` is passed to httpx as it is (`params`, `json`).

    Raises:
        ServiceAway: the service does not answer, or it answers 5xx or not as its admin API does.
        UserError: there is no such service, or it refuses; then with its reason.
    """
    require_service(service)
    url = f"{target.management_urls[service]}/admin{path}"
    try:
        answer = httpx.request(
            method,
            url,
            auth=Login(target.issuer, OPERATOR),
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
            **request,
        )
    except UnicodeEncodeError:
        raise UserError(f"{service} was not asked: what you gave is no text in UTF-8.") from None
    except httpx.HTTPError as error:
        raise ServiceAway(
            f"{service} does not answer ({error}): see `shop status`, then `shop restart {service}`."
        ) from error
    try:
        body = answer.json()
    except ValueError:
        raise ServiceAway(f"{service} answers {answer.status_code}, and not as its admin API does.") from None
    if answer.is_error:
        kind = ServiceAway if answer.is_server_error else UserError
        raise kind(f"{service} refuses: {_reason(body) or answer.status_code}")
    return body


def _reason(body: Any) -> str:
    """What a problem says, or the API server of a cluster on the way to the service."""
    told = body if isinstance(body, dict) else {}
    return str(told.get("detail") or told.get("title") or told.get("message") or "")


def republish(target: Target, service: str) -> int:
    """Have a service send again every event that its outbox still has. Returns the number of these events."""
    sent: int = ask(target, service, "POST", "/republish")["events"]
    return sent


def redrive_all(target: Target, service: str) -> Redriven:
    """Have a service handle its open dead letters again, in the order of their keys, each key once."""
    tried: set[tuple[str, Any]] = set()
    errors: list[str] = []
    ended = 0
    while keys := [key for key in _keys_of(open_letters(target, service)) if key not in tried]:
        for name, value in keys:
            body = {"id": None, "key": None, name: value}
            outcome = ask(target, service, "POST", "/dead-letters/redrive", json=body)
            tried.add((name, value))
            ended += outcome["ended"]
            errors += [outcome["error"]] if outcome["error"] else []
    left = open_letters(target, service)
    return Redriven(ended, list(dict.fromkeys(errors)), len(_keys_of(left)), len(left) >= MOST_ROWS)


def open_letters(target: Target, service: str) -> Sequence[Mapping[str, Any]]:
    """The open dead letters of a service, oldest first, and at most MOST_ROWS of them."""
    rows: Sequence[Mapping[str, Any]] = ask(
        target, service, "GET", "/dead-letters", params={"state": "open", "limit": str(MOST_ROWS)}
    )
    return rows


def _keys_of(letters: Sequence[Mapping[str, Any]]) -> list[tuple[str, Any]]:
    """What names these dead letters: ("key", key), or ("id", id) for a record without a key. Each once."""
    return list(dict.fromkeys(("key", one["key"]) if one["key"] else ("id", one["id"]) for one in letters))


def require_service(name: str) -> None:
    """Raise UserError if there is no service of this name."""
    if name not in SERVICES:
        raise UserError(f"There is no service {name!r}: it is one of {', '.join(SERVICES)}.")
