"""An erased customer is in no topic, database, file, span, log or backup, and the shop goes on without the name."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from shop_stack.logins import Login
from testkit import eventually

pytestmark = pytest.mark.long

NAME = "evangeline-quillfeather"
CARELESS = "ottoline-marrowbone"
"""A customer whose name a client writes where it does not belong."""
SECONDS = 120
TOKENS = ("tok_ok_once_upon", "tok_declined_once_upon")
PLACES = {
    "topic orders.order.v1",
    "topic orders.dead-letters",
    "database orders: public.orders",
    "database orders: public.outbox",
    "database orders: public.idempotency_keys",
    "database payments: public.inbox",
    "database inventory: public.dead_letters",
    "database notifications: public.notifications",
    "database analytics: public.order_facts",
    "spans",
    "pg_wal",
    "files of PostgreSQL",
    "files of Kafka",
    "log orders",
    "log notifications",
    "log issuer",
    "files of the issuer",
}
"""Places that a search must name, and that are not empty or may not be forgotten."""


async def erase(floor: Any, *options: str) -> tuple[int, dict[str, Any], str]:
    """Run `shop erase --json`. Returns its exit code, its findings and its errors."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "shop", "erase", *options, "--json"],
        env={**os.environ, "SHOP_STATE": str(floor.stack.state), "SHOP_TARGET": "embedded"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return done.returncode, json.loads(done.stdout), done.stderr


def hits(found: dict[str, Any]) -> dict[str, dict[str, int]]:
    return {place["place"]: place["hits"] for place in found["places"] if any(place["hits"].values())}


@asynccontextmanager
async def customer(floor: Any, name: str) -> AsyncIterator[httpx.AsyncClient]:
    url = floor.target.service_urls["orders"]
    login = Login(floor.target.issuer, name)
    async with httpx.AsyncClient(base_url=url, trust_env=False, auth=login) as http:
        yield http


async def order(http: httpx.AsyncClient, token: str) -> str:
    """Place an order and wait until it has ended. Returns the pseudonym of its customer."""
    body = {"lines": [{"sku": "MUG", "quantity": 1}], "currency": "EUR", "payment_token": token}
    answer = await http.post("/orders", json=body)
    assert answer.status_code == 202, answer.text
    path = f"/orders/{answer.json()['order_id']}"

    async def has_ended() -> None:
        assert (await http.get(path)).json()["state"] in ("CONFIRMED", "REJECTED")

    await eventually(has_ended, 60)
    return str((await http.get(path)).json()["customer_id"])


def copy_of_the_databases(floor: Any, folder: Path) -> Path:
    """A copy of the files of PostgreSQL. Some of them may change or be deleted meanwhile."""
    with suppress(shutil.Error):
        shutil.copytree(floor.stack.state / "postgres", folder)
    return folder


async def test_an_erased_customer_is_nowhere_and_the_shop_goes_on(floor: Any, tmp_path: Path) -> None:
    await floor.serve(floor.run(5))  # the products are known
    async with customer(floor, NAME) as http:
        pseudonyms = {await order(http, token) for token in TOKENS}
        (pseudonym,) = pseudonyms
        assert pseudonym.startswith("cus_")
        # The same one-time token pays for no second order, and the name is in the address of a request.
        await order(http, TOKENS[0])
        assert (await http.get("/orders", params={"customer_id": NAME})).status_code == 404
    await floor.evidence()  # all that happens because of these orders has happened
    backup = await asyncio.to_thread(copy_of_the_databases, floor, tmp_path / "backup")

    code, found, errors = await erase(floor, NAME, "--backup", str(backup))
    assert hits(found) == {}
    assert (code, found["erased"], found["not_searched"]) == (0, pseudonym, {}), errors
    searched = {place["place"]: place["searched"] for place in found["places"]}
    assert searched.keys() >= PLACES
    assert searched["topic orders.order.v1"] > 0
    assert searched["database orders: public.orders"] > 0
    assert searched["pg_wal"] > 0
    assert searched[f"backup {backup}"] > 0

    await floor.rebuild_reports()
    async with customer(floor, NAME) as http:
        # A token that was given before still lasts. It names the pseudonym alone, and no entry explains it.
        assert len((await http.get("/orders")).json()["orders"]) == 3


async def test_a_name_that_a_client_has_written_where_it_does_not_belong_is_found(floor: Any) -> None:
    async with customer(floor, CARELESS) as http:
        await order(http, f"tok_ok_{CARELESS}")
    with (floor.stack.state / "logs" / "planted.log").open("a") as log:
        log.write(f"mail to {CARELESS}@customers.example\n")
    code, found, errors = await erase(floor, CARELESS)
    (floor.stack.state / "logs" / "planted.log").unlink()
    assert code == 1
    assert (
        hits(found).items()
        >= {
            "database orders: public.outbox": {"name": 1, "address": 0},
            "topic orders.order.v1": {"name": 1, "address": 0},
            "log planted": {"name": 1, "address": 1},
        }.items()
    )
    assert "pg_wal" in hits(found)
    assert "files of the issuer" not in hits(found)
    assert "There are hits in:" in errors
    assert "database orders: public.outbox" in errors


async def test_no_payment_token_stays_in_payments_or_in_a_log_or_a_span(floor: Any) -> None:
    token = "tok_ok_7d0f1c2b9a"
    async with customer(floor, "c-tokens") as http:
        await order(http, token)
    await floor.evidence()
    code, found, _ = await erase(floor, "nobody-of-this-name", "--also", token)
    places = hits(found)
    assert code == 1
    assert "topic orders.order.v1" in places
    assert "database orders: public.outbox" in places
    # pg_wal and the files of PostgreSQL have it until they are written anew, and it has paid by then.
    rest = places.keys() - {"topic orders.order.v1", "database orders: public.outbox"}
    assert {place for place in rest if not place.startswith(("pg_wal", "files of "))} == set()
