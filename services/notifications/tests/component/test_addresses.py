"""A message needs an address: what happens to it, and to the others, without one."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from structlog.testing import capture_logs

from chassis.events import new_id
from chassis.observability.outages import Outages
from notifications.channels import LogChannel, SmtpChannel
from notifications.directory import Directory
from notifications.jobs import deliver
from testkit import eventually

SENDER = "Shopfloor <orders@shopfloor.example>"
SECRETS = {name: f"{name}-secret" for name in ("storefront", "clerk", "operator", "notifications")}


@pytest.fixture
def issuer(tmp_path: Path, unused_tcp_port_factory: Callable[[], int]) -> Iterator[str]:
    """The issuer of the box with its directory, a process; the url of its API."""
    port = unused_tcp_port_factory()
    settings = {
        "HTTP_PORT": str(port),
        "ISSUER_KEYS": str(tmp_path / "keys.json"),
        "ISSUER_CUSTOMERS": str(tmp_path / "customers.sqlite3"),
        **{f"ISSUER_{name.upper()}_SECRET": secret for name, secret in SECRETS.items()},
    }
    process = subprocess.Popen([sys.executable, "-m", "issuer.main"], env=os.environ | settings)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


async def token_of(http: httpx.AsyncClient, client: str, **form: str) -> str:
    asked = {"grant_type": "client_credentials", **form}
    answer = await http.post("/token", data=asked, auth=(client, SECRETS[client]))
    return str(answer.json()["access_token"])


async def pseudonym_of(http: httpx.AsyncClient, login: str) -> str:
    """The subject of a customer's token, which is `customer_id` in events."""
    payload = (await token_of(http, "storefront", audience="orders", subject=login)).split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=="))["sub"])


def smtp(relay: Any, addresses: Any) -> SmtpChannel:
    return SmtpChannel(relay.url, SENDER, addresses)


@pytest.mark.parametrize(("missing", "reason"), [("absent", "unknown-customer"), ("nameless", "no-address")])
async def test_a_customer_without_an_address_delays_no_other_and_is_not_asked_for_again(
    desk: Any, relay: Any, addresses: Any, missing: str, reason: str
) -> None:
    erased, *others = sorted(new_id() for _ in range(3))
    setattr(addresses, missing, frozenset({"cus_erased"}))
    await desk.confirm(erased, customer_id="cus_erased")
    await desk.confirm(*others, customer_id="cus_1")
    assert await deliver(smtp(relay, addresses), desk.database) == 2
    rows = {row["order_id"]: row for row in await desk.rows()}
    assert (rows[erased]["state"], rows[erased]["last_error"]) == ("FAILED", reason)
    assert {rows[order]["state"] for order in others} == {"SENT"}
    assert relay.mailbox.recipients == ["cus_1@customers.example"] * 2
    await desk.let_leases_and_pauses_pass()
    assert await deliver(smtp(relay, addresses), desk.database) == 0
    assert addresses.asked.count("cus_erased") == 1


async def test_while_the_directory_is_away_messages_wait_and_then_go(
    desk: Any, relay: Any, addresses: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    outages = Outages()
    monkeypatch.setattr("notifications.jobs.OUTAGES", outages)
    await desk.confirm(*(new_id() for _ in range(5)), customer_id="cus_1")
    addresses.silent = frozenset({"cus_1"})
    assert await deliver(smtp(relay, addresses), desk.database) == 0
    rows = await desk.rows()
    assert {(row["state"], row["last_error"]) for row in rows} == {("PENDING", "directory-TimeoutError")}
    assert len(addresses.asked) == 2, "a directory that is silent twice in a row is left alone"
    assert outages.is_away("directory")
    assert not outages.is_away("smtp")
    addresses.silent = frozenset()
    await desk.let_leases_and_pauses_pass()
    assert await deliver(smtp(relay, addresses), desk.database) == 5


async def test_an_entry_at_which_the_directory_goes_silent_delays_no_other(
    desk: Any, relay: Any, addresses: Any
) -> None:
    bad, *good = sorted(new_id() for _ in range(4))
    addresses.silent = frozenset({"cus_silent"})
    await desk.confirm(bad, customer_id="cus_silent")
    await desk.confirm(*good, customer_id="cus_1")
    assert await deliver(smtp(relay, addresses), desk.database) == 3
    states = {row["order_id"]: row["state"] for row in await desk.rows()}
    assert states == dict.fromkeys(good, "SENT") | {bad: "PENDING"}


@pytest.mark.parametrize("address", ["grace@navy.example", "two words"])
async def test_an_address_is_in_the_mail_alone(
    desk: Any, relay: Any, addresses: Any, order: UUID, address: str
) -> None:
    addresses.template = address
    await desk.confirm(order, customer_id="cus_1")
    with capture_logs() as lines:
        await deliver(smtp(relay, addresses), desk.database)
    assert address not in json.dumps(lines)
    assert address not in str(await desk.rows())
    assert address not in str(await desk.outbox())


async def test_the_log_asks_for_no_address(desk: Any, addresses: Any, order: UUID) -> None:
    await desk.confirm(order, customer_id="cus_1")
    assert await deliver(LogChannel(), desk.database) == 1
    assert addresses.asked == []


async def test_a_customer_of_the_issuer_gets_mail_until_the_entry_is_erased(
    desk: Any, relay: Any, issuer: str
) -> None:
    channel = SmtpChannel(
        relay.url,
        SENDER,
        Directory(f"{issuer}/scim/v2", issuer, ("notifications", SECRETS["notifications"]), timeout=30),
    )
    async with httpx.AsyncClient(base_url=issuer, trust_env=False) as http:

        async def is_ready() -> None:
            try:
                assert (await http.get("/readyz")).status_code == 200
            except httpx.TransportError as error:
                raise AssertionError("the issuer does not answer yet") from error

        await eventually(is_ready, deadline=30)
        grace = await pseudonym_of(http, "grace")
        await desk.confirm(new_id(), customer_id=grace)
        assert await deliver(channel, desk.database) == 1
        assert relay.mailbox.recipients == ["grace@customers.example"]

        operator = {"Authorization": f"Bearer {await token_of(http, 'operator', audience='directory')}"}
        assert (await http.delete(f"/scim/v2/Users/{grace}", headers=operator)).status_code == 204
    await desk.confirm(new_id(), customer_id=grace)
    assert await deliver(channel, desk.database) == 0
    assert {(row["state"], row["last_error"]) for row in await desk.rows()} == {
        ("SENT", None),
        ("FAILED", "unknown-customer"),
    }
