"""The expectations of `shop`: what the tools read of each service over HTTP. Their own code asks a mock server for it.

A token in a file is the name of its caller, and the provider's test exchanges it. A file does not name ports, because
the paths of the two ports differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from shop import rows
from shop.commands import dead_letters, outbox
from shop.letters import open_letters
from shop.story import times_of
from shop_load.catalogue import offers
from shop_load.client import ShopClient
from shop_load.closed_loop import list_products, orderable, place
from shop_load.plans import Plan, Product, Scenario
from shop_observe.history import History
from shop_oracle.answers import read_reports
from shop_stack import admin
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess
from shop_stack.logins import CLERK, OPERATOR, Login
from shop_stack.ports import SERVICES
from shop_stack.target import NO_ISSUER, Target
from testkit.expectations import (
    Pact,
    answering,
    assert_no_other_files,
    each,
    integer,
    keep,
    matching,
    moment,
    number,
    text,
    unique_id,
)

ORDER = "01980000-0000-7000-8000-00000000000a"
UNKNOWN_ORDER = "01980000-0000-7000-8000-00000000000f"
CUSTOMER = "c-ada"
MUG = Product("mug", "Mug, blue", 1299, 5)
LAMP = Product("lamp", "Lamp", 4900, 1)
UNKNOWN_PRODUCT = Product("unknown", "Unknown", 1, 1)
LETTER = {"id": 7, "key": "a"}
ROW = {"id": 8, "key": "b"}
LISTED_LETTER = {
    "id": integer(7),
    "key": text("a"),
    "state": text("PARKED"),
    "type": text("test.event.v1"),
    "reason": text("no-headers"),
    "created_at": moment(),
}
LISTED_ROW = {
    "id": integer(8),
    "key": text("b"),
    "state": text("REFUSED"),
    "type": text("test.event.v1"),
    "topic": text("test.topic.v1"),
    "error": text("too large"),
}

Run = Callable[..., str]


def target_at(url: str, folder: Path) -> Target:
    """A shop of which one server answers for every port."""
    urls = dict.fromkeys(SERVICES, url)
    return Target("test", urls, urls, url, KafkaAccess(""), {}, folder, folder, folder)


def asked(pact: Pact, what: str, method: str, path: str, who: str, **query: str) -> Any:
    """An interaction whose request is described, and whose answer is not yet."""
    interaction = pact.upon_receiving(what).with_request(method, path)
    interaction.with_header("Authorization", matching(f"Bearer {who}", "^Bearer .+$"))
    for name, value in query.items():
        interaction.with_query_parameter(name, value)
    return interaction


def expect_management(pact: Pact) -> None:
    """The admin API, as the commands use it. It is the same in every service."""
    letter = ("there is an open dead letter", LETTER)
    row = ("there is a refused row", ROW)
    first = {"state": "open", "limit": "101"}
    listed = asked(pact, "a list of dead letters", "GET", "/admin/dead-letters", OPERATOR, **first)
    listed.given(*letter).will_respond_with(200).with_body(each({**LISTED_LETTER, "error": text("no event")}))
    query = {"state": "open", "limit": "1000"}
    opened = asked(pact, "all open dead letters", "GET", "/admin/dead-letters", OPERATOR, **query)
    opened.given(*letter).will_respond_with(200).with_body(each(LISTED_LETTER))
    shown = asked(pact, "one dead letter", "GET", "/admin/dead-letters/7", OPERATOR)
    shown.given(*letter).will_respond_with(200).with_body({"id": integer(7)})
    for verb, outcome in (
        ("redrive", {"ended": integer(0), "still_open": integer(1), "error": text("no event")}),
        ("discard", {"ended": integer(1), "still_open": integer(0), "error": None}),
    ):
        ended = asked(pact, f"a dead letter to {verb}", "POST", f"/admin/dead-letters/{verb}", OPERATOR)
        ended.given(*letter).with_body({"id": 7, "key": None}).will_respond_with(200).with_body(outcome)
    rows = asked(
        pact, "a list of rows that are set aside", "GET", "/admin/outbox/set-aside", OPERATOR, **first
    )
    rows.given(*row).will_respond_with(200).with_body(each(LISTED_ROW))
    for verb, status in (("send-again", 202), ("give-up", 200)):
        decided = asked(pact, f"a refused row to {verb}", "POST", f"/admin/outbox/{verb}", OPERATOR)
        decided.given(*row).with_body({"id": 8, "key": None, "topic": None})
        decided.will_respond_with(status).with_body({"rows": integer(1)})
    again = asked(pact, "the outbox to be sent again", "POST", "/admin/republish", OPERATOR)
    again.will_respond_with(202).with_body({"events": integer(1)})


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """run(target, app, *arguments): the output of a command that reaches this shop."""

    def run(target: Target, app: Any, *arguments: str) -> str:
        @contextmanager
        def connect() -> Iterator[Target]:
            yield target

        for module in (dead_letters, outbox, rows):
            monkeypatch.setattr(module, "connect", connect)
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        return f"{result.exit_code} {result.output}"

    return run


async def manage(service: str, target: Target, run: Run) -> None:
    """Use each command of the admin API."""
    assert "no-headers" in run(target, dead_letters.app, "list", service)
    assert '"id": 7' in run(target, dead_letters.app, "show", service, "7")
    assert "1 still open" in run(target, dead_letters.app, "redrive", service, "--id", "7")
    assert run(target, dead_letters.app, "discard", service, "--id", "7") == "0 1 ended, 0 still open.\n"
    assert "too large" in run(target, outbox.app, "list", service)
    assert "1 rows" in run(target, outbox.app, "send-again", service, "--id", "8")
    assert "1 rows" in run(target, outbox.app, "give-up", service, "--id", "8")
    assert admin.republish(target, service) == 1
    found = await open_letters({service: target.management_urls[service]}, Login(NO_ISSUER, OPERATOR))
    [letter] = found[service] or ()
    assert (letter.id, letter.key, letter.state) == (7, "a", "PARKED")


@pytest.mark.parametrize("service", sorted({*SERVICES} - {"orders", "inventory", "analytics"}))
async def test_the_file_says_what_is_read_of_a_service_of_which_only_the_admin_api_is_used(
    service: str, tmp_path: Path, run: Run
) -> None:
    pact = Pact("shop", service)
    expect_management(pact)
    with answering(pact) as url:
        await manage(service, target_at(url, tmp_path), run)
    keep(pact)


def expect_orders(pact: Pact) -> None:
    """Placing, cancelling and watching an order, and the price list."""
    prices = ("the products have prices", {"prices": {"mug": 1299}, "currency": "EUR"})
    order = ("an order is pending", {"order_id": ORDER, "customer_id": CUSTOMER})
    placed = asked(pact, "an order to place", "POST", "/orders", CUSTOMER)
    placed.given(*prices).with_header("Idempotency-Key", text("plan-1"))
    placed.with_body(
        {"lines": [{"sku": "mug", "quantity": 2}], "currency": "EUR", "payment_token": "tok_ok_plan-1"}
    )
    placed.will_respond_with(202).with_body({"order_id": unique_id(ORDER)})
    cancelled = asked(pact, "an order to cancel", "POST", f"/orders/{ORDER}/cancel", CUSTOMER)
    cancelled.given(*order).will_respond_with(202)
    listed = asked(pact, "the price list", "GET", "/prices", CLERK, limit="100")
    listed.given(*prices).will_respond_with(200)
    listed.with_body({"prices": each({"sku": text("mug")}), "next_cursor": None})
    watched = asked(pact, "an order to watch", "GET", f"/orders/{ORDER}", OPERATOR)
    watched.given(*order).will_respond_with(200).with_body({"placed_at": moment(), "deadline_at": moment()})
    asked(pact, "an unknown order", "GET", f"/orders/{UNKNOWN_ORDER}", OPERATOR).will_respond_with(404)


async def test_the_file_says_what_is_read_of_orders(tmp_path: Path, run: Run) -> None:
    pact = Pact("shop", "orders")
    expect_orders(pact)
    expect_management(pact)
    with answering(pact) as url:
        target = target_at(url, tmp_path)
        with History(tmp_path, "test") as history:
            async with ShopClient(target, history) as shop:
                plan = Plan(Scenario.CONFIRMED, "plan-1", CUSTOMER, (("mug", 2),), cancel_after=0.0)
                assert (await place(shop, plan)).order_id == ORDER
                assert await orderable(shop) == {"mug"}
        placed_at, deadline_at = await times_of(target, ORDER)
        assert placed_at <= deadline_at
        with pytest.raises(UserError, match="There is no order"):
            await times_of(target, UNKNOWN_ORDER)
        await manage("orders", target, run)
    keep(pact)


def expect_inventory(pact: Pact) -> None:
    """The catalogue: list a product, list it again, read it."""
    listed = ("the product is listed", {"sku": "mug", "on_hand": 5})
    for what, product, status in (
        ("a new product", LAMP, 201),
        ("a product that is listed already", MUG, 409),
    ):
        new = asked(pact, what, "POST", "/products", CLERK)
        price = {"amount_minor": product.price_minor, "currency": product.currency}
        new.with_body({"sku": product.sku, "name": product.name, "price": price, "on_hand": product.on_hand})
        if status == 409:
            new.given(*listed)
        new.will_respond_with(status)
    read = asked(pact, "a product", "GET", "/products/mug", CLERK)
    read.given(*listed).will_respond_with(200).with_body(
        {
            "sku": text("mug"),
            "name": text("Mug, blue"),
            "price": {"amount_minor": integer(1299), "currency": matching("EUR", "^[A-Z]{3}$")},
            "available": integer(5),
        }
    )
    asked(pact, "an unknown product", "GET", "/products/unknown", CLERK).will_respond_with(404)


async def test_the_file_says_what_is_read_of_inventory(tmp_path: Path, run: Run) -> None:
    pact = Pact("shop", "inventory")
    expect_inventory(pact)
    expect_management(pact)
    with answering(pact) as url:
        target = target_at(url, tmp_path)
        with History(tmp_path, "test") as history:
            async with ShopClient(target, history) as shop:
                await list_products(shop, [LAMP, MUG])
                [offer] = await offers(shop, [MUG, UNKNOWN_PRODUCT])
        assert (offer.sku, offer.amount_minor, offer.available) == ("mug", 1299, 5)
        await manage("inventory", target, run)
    keep(pact)


def expect_reports(pact: Pact) -> None:
    """The reports, which the oracle compares with its own. All their fields are compared."""
    counts = {"orders": integer(1)}
    revenue = ("confirmed_orders", "revenue_minor", "refunds", "refunded_minor")
    currency = {"currency": matching("EUR", "^[A-Z]{3}$")}
    sold = {"sku": text("mug"), "name": text("Mug"), "quantity": integer(2), "revenue_minor": integer(2598)}
    steps = ("placed", "reserved", "captured", "confirmed", "notified")
    seconds = {name: number(3.0) for name in ("p50", "p90", "p99")}
    reports: dict[str, Any] = {
        "orders-by-state": {"states": each({"state": text("CONFIRMED"), **counts})},
        "revenue": {"currencies": each({**currency, **{name: integer() for name in revenue}})},
        "top-products": {"products": each({**sold, **currency})},
        "funnel": {step: integer(1) for step in steps},
        "time-to-confirm": {**counts, **seconds},
    }
    for name, body in reports.items():
        query = {"limit": "100"} if name == "top-products" else {}
        report = asked(pact, f"the report {name}", "GET", f"/reports/{name}", OPERATOR, **query)
        report.given("an order is confirmed", {"sku": "mug", "name": "Mug"})
        report.will_respond_with(200).with_body(body)


async def test_the_file_says_what_is_read_of_analytics(tmp_path: Path, run: Run) -> None:
    pact = Pact("shop", "analytics")
    expect_reports(pact)
    expect_management(pact)
    with answering(pact) as url:
        target = target_at(url, tmp_path)
        async with httpx.AsyncClient(trust_env=False) as client:
            reports = await read_reports(client, target)
        assert reports["funnel"]["placed"] == 1
        await manage("analytics", target, run)
    keep(pact)


def test_no_file_is_left_of_a_provider_that_is_not_read() -> None:
    assert_no_other_files("shop", {*SERVICES, "issuer", "processor"})
