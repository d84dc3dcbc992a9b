"""Alerts of servers and outside systems that are away."""

import pytest

from shop_stack.ports import free_port
from tests.runbooks.drills.alerts.alarms import Drill
from tests.runbooks.drills.mail import mail_server
from tests.runbooks.drills.shop import Shop


@pytest.mark.alerts("ShopfloorDatabaseAway", "ShopfloorGaugesOld")
async def test_postgresql_is_away(drill: Drill, shop: Shop) -> None:
    await shop.kill("postgres")
    await drill.fire()
    await drill.follow("postgres-down", 1)
    await shop.is_ready(seconds=90)
    await drill.resolve()


@pytest.mark.alerts("ShopfloorKafkaAway", "ShopfloorEventsNotSent")
async def test_kafka_is_away(drill: Drill, shop: Shop) -> None:
    await shop.kill("kafka")
    order = await shop.order(deadline=600)
    await drill.fire()
    await drill.follow("kafka-down", 1)
    await shop.ends(order, "CONFIRMED")
    await drill.resolve()


@pytest.mark.alerts("ShopfloorIssuerAway")
async def test_the_issuer_is_away_while_a_service_starts(drill: Drill, shop: Shop) -> None:
    await shop.kill("issuer")
    await shop.restart("orders")
    await drill.fire()
    await drill.follow("issuer-down", 1)
    await shop.is_ready()
    await drill.resolve()


@pytest.mark.alerts("ShopfloorProcessorAway", "ShopfloorOutsideWorkWaits")
async def test_the_card_processor_is_away(drill: Drill, shop: Shop) -> None:
    await shop.kill("processor")
    order = await shop.order(deadline=600)
    await drill.fire()
    await drill.follow("processor-down", 1)
    await shop.ends(order, "CONFIRMED")
    await drill.resolve()


@pytest.mark.alerts("ShopfloorMailAway")
async def test_the_mail_server_is_away(drill: Drill, shop: Shop) -> None:
    port = free_port()
    await shop.restart("notifications", SMTP_URL=f"smtp://127.0.0.1:{port}")
    await shop.is_ready()
    await shop.ends(await shop.order(), "CONFIRMED")
    await drill.fire()
    # The runbook: messages are sent without action when the mail server is back.
    async with mail_server(port, refuses=False):
        await drill.resolve()


@pytest.mark.alerts("ShopfloorMessagesFailed")
async def test_messages_to_customers_that_have_failed(drill: Drill, shop: Shop) -> None:
    async with mail_server() as mail:
        await shop.restart("notifications", SMTP_URL=f"smtp://127.0.0.1:{mail.port}")
        await shop.is_ready()
        await shop.ends(await shop.order(), "CONFIRMED")
        await drill.fire()
        mail.refuses = False
        await drill.follow("failed-messages", 1)
        await drill.resolve()
