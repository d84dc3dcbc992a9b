"""Which release of each service runs. Each service is asked itself: a file says only what was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from shop_stack.target import Target

ANSWER_SECONDS = 5.0
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Running:
    """The answer of a service at `/version`."""

    service: str
    version: str
    revision: str
    """The commit that it was built from, with `-dirty` if a file differed; `unknown` where it was not said."""
    silent: str = ""
    """Why there is no answer; empty if there is one."""
    schema: str = ""
    """The last migration of its database; empty if it was not said."""


async def running(target: Target) -> dict[str, Running]:
    """Service → what runs. A service that does not answer is part of it, and says why."""
    # trust_env=False: a proxy of the user's environment is not asked for addresses of this machine.
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False) as client:
        found = await asyncio.gather(
            *(_ask(client, service, url) for service, url in target.management_urls.items())
        )
    return {one.service: one for one in found}


async def _ask(client: httpx.AsyncClient, service: str, url: str) -> Running:
    try:
        answer = await client.get(f"{url}/version")
        return _understood(service, answer.raise_for_status().json())
    except httpx.HTTPStatusError as error:
        why = f"{url}/version answers {error.response.status_code}"
    except httpx.HTTPError as error:
        why = f"{url} does not answer ({type(error).__name__})"
    except (ValueError, KeyError, TypeError):
        why = f"{url}/version does not answer as a service does"
    return Running(service, UNKNOWN, UNKNOWN, why)


def _understood(service: str, body: Mapping[str, Any]) -> Running:
    if body["service"] != service:
        raise ValueError(f"it is {body['service']}")
    schema = str(body.get("schema", UNKNOWN))
    return Running(
        service, str(body["version"]), str(body["revision"]), schema="" if schema == UNKNOWN else schema
    )
