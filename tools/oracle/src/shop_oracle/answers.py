"""Reads over HTTP: the card processor's ledger, the reports of analytics, and the start time of each service."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from shop_oracle.errors import EvidenceMissing
from shop_oracle.evidence import Movement
from shop_stack.logins import OPERATOR, Login
from shop_stack.target import Target

# The metric is computed from the kernel's boot time, which has whole seconds only: it may be up to 1 s too early.
START_IS_TOLD_WITHIN = timedelta(seconds=1)
STARTED = re.compile(r"^process_start_time_seconds ([0-9.e+]+)$", re.MULTILINE)
REPORTS = {
    "orders-by-state": "",
    "revenue": "",
    "top-products": "?limit=100",
    "funnel": "",
    "time-to-confirm": "",
}


async def read_ledger(client: httpx.AsyncClient, target: Target) -> list[Movement]:
    """The card processor's ledger, all of it."""
    url = f"{target.processor_url}/ledger"
    fields = ("kind", "charge_id", "reference", "amount_minor", "currency")
    try:
        return [
            Movement(*(entry[name] for name in fields))
            for entry in json_of(await get(client, url))["entries"]
        ]
    except (KeyError, TypeError):
        raise EvidenceMissing(f"{url} did not answer with a ledger: see `shop status`.") from None


async def read_reports(client: httpx.AsyncClient, target: Target) -> dict[str, Any]:
    """Name of a report → the JSON that analytics answers."""
    url = target.service_urls["analytics"]
    login = Login(target.issuer, OPERATOR)
    return {
        name: json_of(await get(client, f"{url}/reports/{name}{query}", login))
        for name, query in REPORTS.items()
    }


async def started_at(client: httpx.AsyncClient, target: Target) -> dict[str, datetime]:
    """Service → the start time of its process (UTC). A service whose metrics lack it is left out."""
    started = {}
    for service, url in target.management_urls.items():
        if found := STARTED.search((await get(client, f"{url}/metrics")).text):
            started[service] = datetime.fromtimestamp(float(found[1]), UTC) + START_IS_TOLD_WITHIN
    return started


async def get(client: httpx.AsyncClient, url: str, login: Login | None = None) -> httpx.Response:
    """Send a GET, with a token of `login`. Raises EvidenceMissing if it fails, or if the status is an error."""
    try:
        return (await client.get(url, auth=login)).raise_for_status()
    except httpx.HTTPError as error:
        why = str(error) or type(error).__name__
        raise EvidenceMissing(
            f"{url} cannot be read ({why}). Do all parts of the shop run? See `shop status`."
        ) from None


def json_of(response: httpx.Response) -> Any:
    """The body as JSON. Raises EvidenceMissing if it is not JSON."""
    try:
        return response.json()
    except ValueError:
        raise EvidenceMissing(
            f"{response.url} did not answer with JSON: does another program listen there?"
        ) from None
