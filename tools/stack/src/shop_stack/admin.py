"""The admin API of the services, as an operator calls it."""

from __future__ import annotations

from typing import Any

import httpx

from shop_stack.errors import ServiceAway, UserError
from shop_stack.logins import OPERATOR, Login
from shop_stack.ports import SERVICES
from shop_stack.target import Target

TIMEOUT_SECONDS = 60.0


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


def require_service(name: str) -> None:
    """Raise UserError if there is no service of this name."""
    if name not in SERVICES:
        raise UserError(f"There is no service {name!r}: it is one of {', '.join(SERVICES)}.")
