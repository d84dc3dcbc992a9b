"""Drills: a right or a password is taken from a service while customers order, and passwords and keys are replaced."""

from dataclasses import replace

import asyncpg
import pytest

from shop_stack import kafka_users, rights
from shop_stack.kafka_access import KafkaLogins
from shop_stack.passwords import Passwords
from shop_stack.ports import SERVICES
from shop_stack.rights import Operation
from tests.runbooks.drills.asking import http_client
from tests.runbooks.drills.conftest import Runbook
from tests.runbooks.drills.customers import customers_order
from tests.runbooks.drills.faults import letters_of, take_rights
from tests.runbooks.drills.shop import Shop, soon


async def take_kafka_password(shop: Shop, service: str) -> None:
    """Let the broker know another password, and end all connections."""
    logins = shop.stack.logins
    taken = replace(logins.of(service), password="taken-away")
    await kafka_users.set_passwords(logins.of(rights.STACK), [taken])
    await shop.kill("kafka")
    await shop.start("kafka")


async def take_database_password(shop: Shop, service: str) -> None:
    """Let PostgreSQL know another password, and end the connections of the service."""
    async with shop.stack.server.connected() as connection:
        await connection.execute(f"ALTER ROLE {service} PASSWORD 'taken-away'")
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", service
        )


async def shows(shop: Shop, service: str, status: int, check: str, text: str) -> None:
    """Wait until `/readyz` of a service has this status, and this text in a check."""

    async def says_so() -> None:
        code, body = await shop.readyz(service)
        assert text in body["checks"][check]
        assert code == status

    await soon(says_so, 60)


async def is_refused(shop: Shop) -> None:
    """Wait until the alert would fire."""

    async def fires() -> None:
        assert await shop.alert("ShopfloorRefused") > 0

    await soon(fires, 30)


async def no_dead_letter(shop: Shop) -> None:
    for service in SERVICES:
        assert await shop.metric(service, "chassis_dead_letters_open") == 0
    for service in ("orders", "payments", "notifications", "analytics"):
        assert await letters_of(shop, service) == []


@pytest.mark.runbook("rights-withdrawn")
async def test_rights_and_passwords_are_taken_away_under_load_and_given_back(
    runbook: Runbook, shop: Shop
) -> None:
    look, give_back = runbook.blocks
    began = len(shop.log("inventory"))
    runbook.says(
        "The service waits and tries again.", "No event becomes a dead letter, and no order is lost."
    )
    async with customers_order(shop) as customers:
        await customers.place(3)

        runbook.says("| the check `consumer` names the user and the right | `degraded` (200)")
        await take_rights(shop, "inventory", Operation.READ, ["orders.order.v1"])
        missing = "the Kafka user inventory lacks the right Read on the topic orders.order.v1"
        await shows(shop, "inventory", 200, "consumer", missing)
        await is_refused(shop)
        await customers.place(3)
        ready, metrics, _, tried = await runbook.run(look)
        runbook.says("# the user, and the right that it lacks")
        assert missing in ready.json["checks"]["consumer"]
        assert 'chassis_refusals_total{dependency="kafka"}' in metrics.text
        assert "inventory may not do Read on the topic orders.order.v1" in " ".join(tried.text.split())
        runbook.says("Orders that need the service stay PENDING")
        assert await shop.state_of(customers.orders[-1]) == "PENDING"
        await no_dead_letter(shop)
        await is_given_back(runbook, shop, give_back, "inventory")

        runbook.says("| rows of this topic are `DELAYED`, and the right is in their `error`;")
        await take_rights(shop, "orders", Operation.WRITE, ["orders.order.v1"])
        await rows_stand_aside(
            shop, "the Kafka user orders lacks the right Write on the topic orders.order.v1"
        )
        await customers.place(3)
        runbook.says("| `ready`: the rows of other topics are sent |")
        assert (await shop.readyz("orders", "?require=all"))[0] == 200
        _, _, listed, _ = await runbook.run(look)
        runbook.says("# rows that wait for a right to write")
        assert "lacks the right Write on the topic orders.order.v1" in " ".join(listed.text.split())
        await no_dead_letter(shop)
        await is_given_back(runbook, shop, give_back, "orders")

        runbook.says("| nothing while its connections last; then the check `consumer` names the user |")
        await take_kafka_password(shop, "inventory")
        login = "Kafka refuses the login of the Kafka user inventory"
        await shows(shop, "inventory", 200, "consumer", login)
        await customers.place(3)
        await no_dead_letter(shop)
        await is_given_back(runbook, shop, give_back, "inventory")

        runbook.says("| 503, `away: InvalidPasswordError` |")
        await take_database_password(shop, "inventory")
        await shows(shop, "inventory", 503, "database", "away: InvalidPasswordError")

        async def is_counted() -> None:
            assert await shop.metric("inventory", "chassis_refusals_total", dependency="database") > 0

        await soon(is_counted, 30)
        await customers.place(3)
        await is_given_back(runbook, shop, give_back, "inventory")
        await no_dead_letter(shop)

    assert customers.failed == []
    await customers.all_end_confirmed()
    runbook.says("and the log has `outage.ended`")
    await shop.logs("inventory", "outage.began", "outage.ended", after=began, seconds=60)
    (over,) = await runbook.run("curl -s 'localhost:18022/readyz?require=all'")
    assert over.json["status"] == "ready"
    assert await shop.violated() == []


async def is_given_back(runbook: Runbook, shop: Shop, give_back: str, service: str) -> None:
    """Follow the page's cure. The service continues without a restart."""
    pid = shop.stack.daemon(service).pid
    await runbook.run_one(give_back)
    runbook.says("Services need no restart.", "rows that are `DELAYED` are sent within 30 seconds")
    await shop.is_ready(service)

    async def none_stands_aside() -> None:
        assert await shop.metric(service, "chassis_outbox_set_aside") == 0

    await soon(none_stands_aside, 40)
    assert shop.stack.daemon(service).pid == pid


async def rows_stand_aside(shop: Shop, error: str) -> None:
    """Wait until rows of orders are DELAYED with this error."""

    async def one_does() -> None:
        found = (await shop.manage("orders", "GET", "/admin/outbox/set-aside")).json()
        assert any(row["state"] == "DELAYED" and error in row["error"] for row in found)

    await soon(one_does, 40)


@pytest.mark.runbook("rotate-passwords")
async def test_passwords_and_keys_are_replaced_under_load_and_no_order_fails(
    runbook: Runbook, shop: Shop
) -> None:
    rotate, end_connections, over = runbook.blocks
    before = shop.stack.passwords
    pids = {service: shop.stack.daemon(service).pid for service in SERVICES}
    keys = await kids(shop)
    async with customers_order(shop) as customers:
        await customers.place(4)
        told = await runbook.run_one(rotate)
        await customers.place(8)
    runbook.says("No service restarts, and no order fails")
    assert customers.failed == []
    assert {service: shop.stack.daemon(service).pid for service in SERVICES} == pids
    assert told.text.count("new passwords at PostgreSQL") == len(SERVICES)
    assert told.text.count("new password at Kafka") == len(SERVICES) + 1
    runbook.says("the old password is refused; open connections go on")
    await all_are_refused(shop, before)
    runbook.says("tokens of the old key stay valid until they expire")
    assert keys < await kids(shop)
    runbook.says("every login at Kafka succeeds with its new password")
    tried, _ = await runbook.run(over)
    assert "Kafka allows each login exactly this" in tried.text

    runbook.says("A connection that a thief has opened goes on with the old password. End all connections.")
    async with customers_order(shop) as late:
        await late.place(2)
        assert [ended.code for ended in await runbook.run(end_connections)] == [0, 0]
        await late.place(4)
    runbook.says("no order is lost")
    await shop.is_ready(seconds=90)
    assert {service: shop.stack.daemon(service).pid for service in SERVICES} == pids
    for group in (customers, late):
        await group.all_end_confirmed()
    await no_dead_letter(shop)
    tried, ready = await runbook.run(over)
    assert tried.code == 0
    assert ready.json["status"] == "ready"
    assert await shop.violated() == []


async def all_are_refused(shop: Shop, old: Passwords) -> None:
    """Hold that no server accepts a password of before."""
    logins = KafkaLogins(shop.stack.logins.bootstrap, old.by_principal)
    for service in SERVICES:
        assert not await kafka_users.can_log_in(logins.of(service))
        roles = old.roles(service)
        for role, password in ((roles.name, roles.password), (roles.owner, roles.owner_password)):
            with pytest.raises(asyncpg.InvalidPasswordError):
                await asyncpg.connect(shop.stack.server.url(service, role, password), timeout=10)
    assert not await kafka_users.can_log_in(logins.of(rights.ORACLE))


async def kids(shop: Shop) -> set[str]:
    """The keys that the issuer publishes."""
    async with http_client() as http:
        found = (await http.get(f"{shop.stack.issuer.url}/keys")).json()
    return {key["kid"] for key in found["keys"]}
