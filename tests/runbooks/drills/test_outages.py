"""Drills: a part of the shop is away, or does not answer."""

import os
import shutil
import signal
from uuid import uuid4

import pytest

from shop_stack.ports import SERVICES
from shop_stack.rights import Operation
from tests.runbooks.drills.conftest import Runbook
from tests.runbooks.drills.faults import take_rights
from tests.runbooks.drills.shop import Shop, assert_said, soon


@pytest.mark.runbook("service-down")
async def test_a_service_that_is_down_is_seen_and_started(runbook: Runbook, shop: Shop) -> None:
    look, restart = runbook.blocks
    await shop.kill("payments")
    accepted = await shop.order()
    overdue = await shop.order(deadline=1)

    status, log, ready = await runbook.run(look)
    runbook.says(
        "# which service is stopped or not ready", "`shop status` shows no time for a stopped service"
    )
    (row,) = (line.split() for line in status.text.splitlines() if line.startswith("payments"))
    assert row == ["payments", "stopped", row[2]]
    assert status.code != 0
    assert log.text.strip()
    assert ready.text == ""
    runbook.says(
        "| payments | the same |", "orders are accepted and stay PENDING until their deadline cancels them"
    )
    await shop.ends(overdue, "CANCELLED")
    assert await shop.state_of(accepted) == "PENDING"

    runbook.says("No order is lost.", "continues after its last commit")
    await runbook.run_one(restart)
    await shop.ends(accepted, "CONFIRMED")
    runbook.says("Orders that passed their deadline meanwhile are CANCELLED")
    assert await shop.state_of(overdue) == "CANCELLED"
    runbook.says("# if it runs: which check fails, and what consumer and relay do, since when")
    _, _, ready = await runbook.run(look)
    tasks = {"issuer", "consumer", "relay"}
    assert ready.json["checks"].keys() == {"process", "database", "database_background"} | tasks
    assert ready.json["since"].keys() == tasks


@pytest.mark.runbook("consumer-behind")
async def test_a_service_that_reads_nothing_is_seen_and_catches_up(runbook: Runbook, shop: Shop) -> None:
    look, start = runbook.blocks
    await take_rights(shop, "inventory", Operation.READ, ["orders.order.v1"])

    async def names_the_right() -> None:
        _, body = await shop.readyz("inventory")
        assert "lacks the right Read" in body["checks"]["consumer"]

    await soon(names_the_right, 40)
    orders = [await shop.order(deadline=600) for _ in range(3)]
    unread, _, _ = await runbook.run(look)
    runbook.says("The first command names each service that has unread messages, and how many.")
    assert unread.code == 1
    assert "messages unread by inventory" in unread.text
    runbook.says("While a service tries again, the check `consumer` is `ok` for a moment")
    runbook.says("| `consumer` names a right or a login |")
    await soon(names_the_right, 40)
    await shop.stop("inventory")
    stopped, consumed, ready = await runbook.run(look)
    runbook.says("If a service is stopped, it names the address that it cannot read.")
    assert f"{shop.stack.management_url('inventory')}/metrics cannot be read" in stopped.text
    runbook.says("| `/readyz` does not answer | [A service is down](service-down.md) |")
    assert (consumed.text, ready.code) == ("", 7)
    runbook.says("Orders that need the service stay PENDING")
    assert {await shop.state_of(order) for order in orders} == {"PENDING"}

    runbook.says("No event is lost", "the backlog drains without action")
    await runbook.run_one(start)
    for order in orders:
        await shop.ends(order, "CONFIRMED")
    _, consumed, ready = await runbook.run(look)
    runbook.says("# inventory; does a number grow?", "# the check `consumer`, and since when")
    assert "orders.order-placed.v1" in consumed.text
    assert ready.json["checks"]["consumer"] == "ok"

    async def is_over() -> None:
        assert "unread" not in (await shop.bash(".venv/bin/shop check")).text

    runbook.says("**It is over** when `.venv/bin/shop check` names no unread message.")
    await soon(is_over)


async def test_a_wrong_setting_is_named_by_its_variable(shop: Shop) -> None:
    failed = await shop.bash("BATCH_SIZE=none .venv/bin/shop restart payments")
    assert failed.code == 1
    log = (await shop.bash(".venv/bin/shop logs payments -n 20")).text
    assert "batch_size" in log.lower()


@pytest.mark.runbook("processor-down")
async def test_the_card_processor_is_away_and_charges_wait(runbook: Runbook, shop: Shop) -> None:
    look, restart = runbook.blocks
    began = len(shop.log("payments"))
    await shop.kill("processor")
    order = await shop.order()
    late = await shop.order(deadline=2)
    await shop.logs("payments", "outage.began", "card-processor", after=began)

    fill = {"ORDER_ID": order}
    status, _, payments, payment, ledger = await runbook.run(look, fill)
    assert "stopped" in next(line for line in status.text.splitlines() if line.startswith("processor"))
    assert "outage.began" in payments.text
    runbook.says("# state and attempts of one payment", "payments retries them with growing pauses")
    assert payment.json["attempts"] >= 1
    assert ledger.code == 7
    runbook.says("Orders stay PENDING. The deadline cancels those that pass it")
    await shop.ends(late, "CANCELLED")
    assert await shop.state_of(order) == "PENDING"

    runbook.says("Payments needs no restart.")
    await runbook.run_one(restart)
    await shop.ends(order, "CONFIRMED")
    runbook.says("# the processor's own ledger")
    *_, ledger = await runbook.run(look, fill)
    assert order in ledger.text
    runbook.says(
        "when the log of payments has `outage.ended`",
        "`shop check` compares the processor's ledger with the records of payments (invariant 3)",
    )
    assert 3 not in await shop.violated()
    await shop.logs("payments", "outage.ended", after=began)


@pytest.mark.runbook("postgres-down")
async def test_postgresql_is_away_and_no_answered_order_is_lost(runbook: Runbook, shop: Shop) -> None:
    look, restart = runbook.blocks
    began = len(shop.log("orders"))
    before = await shop.order()
    await shop.kill("postgres")

    key = str(uuid4())
    refused = await shop.place(key=key)
    runbook.says(
        "`POST /orders` answers 503 `database-unavailable` with `Retry-After`", '`"dependency": "database"`'
    )
    assert refused.status_code == 503
    assert refused.json()["type"].endswith(":database-unavailable")
    assert refused.json()["dependency"] == "database"
    assert "retry-after" in refused.headers
    await shop.logs("orders", "outage.began", after=began)
    status, _, outages, ready = await runbook.run(look)
    assert "stopped" in next(line for line in status.text.splitlines() if line.startswith("postgres"))
    assert_said(outages.text, ["outage.began", '"dependency": "database"'])
    runbook.says("# 503, with the check that fails")
    assert (await shop.readyz("orders"))[0] == 503
    assert ready.json["checks"]["database"].startswith("away")

    runbook.says("Services need no restart.")
    await runbook.run_one(restart)
    await shop.is_ready()
    runbook.says("Orders that were answered with 202 are safe.")
    await shop.ends(before, "CONFIRMED")
    runbook.says("may send the same request again with the same `Idempotency-Key`")
    again = await shop.place(key=key)
    assert again.status_code == 202
    assert (await shop.place(key=key)).json()["order_id"] == again.json()["order_id"]
    runbook.says("# began, goes on (once a minute), ended")
    await shop.logs("orders", "outage.ended", after=began)


def freeze_postgresql(shop: Shop) -> int:
    """Stop all processes of the server, so that connections are open and carry nothing. Returns its process id."""
    postmaster = shop.stack.daemon("postgres").process()
    assert postmaster is not None
    for process in (postmaster, *postmaster.children(recursive=True)):
        os.kill(process.pid, signal.SIGSTOP)
    return postmaster.pid


@pytest.mark.runbook("silent-database")
async def test_postgresql_accepts_connections_and_does_not_answer(runbook: Runbook, shop: Shop) -> None:
    look, restart, kill = runbook.blocks
    began = len(shop.log("orders"))
    postmaster = freeze_postgresql(shop)
    runbook.says('`POST /orders` takes 5 s and answers 503 with `"dependency": "database"`')
    refused = await shop.place()
    assert refused.status_code == 503
    assert refused.json()["dependency"] == "database"
    runbook.says("`shop status` shows PostgreSQL as running")
    assert shop.stack.daemon("postgres").process() is not None
    runbook.says("The log has `outage.began` with `DatabaseSilent` or `TimeoutError`")
    await shop.logs("orders", "outage.began", after=began)
    new = shop.log("orders")[began:]
    assert "DatabaseSilent" in new or "TimeoutError" in new
    ready, outages, stopped = await runbook.run(look)
    assert ready.json["checks"]["database"].startswith("away")
    assert "outage.began" in outages.text
    assert str(postmaster) in stopped.text

    runbook.says("the command kills it after 20 seconds", "This one does not wait")
    await runbook.run_one(restart)
    await shop.is_ready()
    freeze_postgresql(shop)
    await runbook.run_one(kill)
    runbook.says("Services need no restart.", "`/readyz` answers 200, and the log has `outage.ended` with")
    await shop.is_ready()
    await shop.logs("orders", "outage.ended", after=began)
    await shop.ends(await shop.order(), "CONFIRMED")


@pytest.mark.own_shop(
    "Kafka loses its data: a record that a drill has forged would be gone, and its effects not"
)
@pytest.mark.runbook("kafka-down")
async def test_kafka_is_away_and_then_loses_its_data(runbook: Runbook, shop: Shop) -> None:
    look, restart, refused, lost = runbook.blocks
    began = {service: len(shop.log(service)) for service in SERVICES}
    await shop.restart("analytics", SHOP_ROLE="worker")
    await shop.is_ready("analytics")
    await shop.kill("kafka")

    runbook.says("Orders are still accepted (202)", "Customers can read and cancel orders.")
    order = await shop.order(deadline=600)
    cancelled = await shop.order(deadline=600)
    overdue = await shop.order(deadline=1)
    assert (await shop.ask("orders", "POST", f"/orders/{cancelled}/cancel")).status_code == 202
    await shop.ends(overdue, "CANCELLED")
    assert await shop.state_of(order) == "PENDING"
    runbook.says(
        "If the outbox has rows to send, `/readyz` shows that `relay` waits for Kafka, as `consumer` does."
    )

    async def both_wait() -> None:
        status, body = await shop.readyz("orders")
        assert body["checks"]["consumer"].startswith("waits for kafka")
        assert body["checks"]["relay"].startswith("waits for kafka")
        assert (status, body["status"]) == (200, "degraded")
        assert (await shop.readyz("analytics"))[0] == 503

    runbook.says("`/readyz` stays 200", "A process with role `worker` answers 503.")
    await soon(both_wait, 40)
    status, _, outages, ready = await runbook.run(look)
    assert "stopped" in next(line for line in status.text.splitlines() if line.startswith("kafka "))
    assert "outage.began" in outages.text
    runbook.says("# `degraded`: which task waits, and since when")
    assert ready.json["status"] == "degraded"
    assert ready.json["since"].keys() == {"issuer", "consumer", "relay"}

    runbook.says("Services need no restart.")
    await runbook.run_one(restart)
    await shop.ends(order, "CONFIRMED")
    runbook.says("**It is over** when each service has logged `outage.ended`")
    for service in SERVICES:
        await shop.logs(service, "outage.ended", after=began[service], seconds=60)
    (ready,) = await runbook.run("curl -s 'localhost:18021/readyz?require=all'")
    assert ready.json["status"] == "ready"
    await shop.restart("analytics")
    await shop.is_ready()

    runbook.says("**If Kafka refuses a service.**", "The service waits.")
    await take_rights(shop, "analytics", Operation.READ, ["orders.order.v1"])
    missing = "the Kafka user analytics lacks the right Read on the topic orders.order.v1"

    async def says_what_is_missing() -> None:
        _, body = await shop.readyz("analytics")
        assert missing in body["checks"]["consumer"]

    await soon(says_what_is_missing, 40)
    tried, given = await runbook.run(refused)
    assert "analytics may not do Read on the topic orders.order.v1" in " ".join(tried.text.split())
    assert (tried.code, given.code) == (1, 0)
    await shop.is_ready("analytics")

    runbook.says(
        "**If Kafka's data is lost.**", "`shop republish` prints the number of events that are sent again."
    )
    await shop.kill("kafka")
    pending = await shop.order(deadline=600)
    shutil.rmtree(shop.stack.state / "kafka")
    restarted, republished, _, up = await runbook.run(lost)
    assert (restarted.code, up.code) == (0, 0)
    assert republished.text.count("events again.") == len(SERVICES)
    await shop.is_ready(seconds=90)
    await shop.ends(pending, "CONFIRMED")
    assert await shop.violated() == []
