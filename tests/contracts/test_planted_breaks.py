"""Five breaks that a team could commit. Each is caught by a gate whose message names the consumer and the field.

| Break | Gate | Named |
|---|---|---|
| a field is removed from an event | `shop contracts check` | its reader, the field |
| the format of a field is tightened | `shop contracts check` | its readers, the field |
| a topic gets another key | `shop contracts check` | the readers of each event, both keys |
| a reader narrows a list of values that may grow | the reader's contract tests | the reader, the field |
| a column is renamed in one step | `shop contracts migrations` | the release that runs, the column |
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from typer.testing import CliRunner, Result

from chassis.events import ConsumedEvent, Envelope, Money
from chassis.inbox import Subscriptions
from chassis.outbox import Transaction
from shop.cli import app
from shop.commands import contracts
from shop_contracts.migrations.scripts import scripts
from shop_contracts.releases.release import versions
from shop_stack.paths import repository
from testkit.expectations import ExpectedEvents

CONFIRMED = "orders.order-confirmed.v1"
REJECTED = "orders.order-rejected.v1"
RENAMED = """from alembic import op

revision = "renamed"
down_revision = "{head}"


def upgrade() -> None:
    op.alter_column("orders", "customer_id", new_column_name="buyer_id")
"""
Shop = Callable[..., Result]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The contracts, the releases and the migrations of orders, in a clone without commits."""
    without = shutil.ignore_patterns("__pycache__", "tests", ".venv")
    for folder in ("contracts", "releases/orders", "services/orders"):
        shutil.copytree(repository() / folder, tmp_path / folder, ignore=without)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.fixture
def shop(clone: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Runs a command of `shop` in the clone."""
    monkeypatch.setattr(contracts, "repository", lambda: clone)
    return lambda *arguments: CliRunner().invoke(app, [*arguments])


def change_schema(clone: Path, type_: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the schema of an event as its owner would."""
    file = clone / "contracts/events" / type_.removesuffix(".v1") / "v1.schema.json"
    schema = json.loads(file.read_text())
    change(schema)
    file.write_text(json.dumps(schema))


def test_unbroken_contracts_pass(shop: Shop) -> None:
    assert shop("contracts", "check").exit_code == 0


def readers_of(clone: Path, type_: str, field: str) -> list[str]:
    """The consumers that have written down a field of an event of orders. A new service may be one of them."""
    files = sorted((clone / "contracts/consumers").glob("*/orders.json"))
    return [
        file.parent.name
        for file in files
        for interaction in json.loads(file.read_text())["interactions"]
        if interaction["description"] == type_ and field in interaction["contents"]["content"]
    ]


def test_a_removed_field_is_caught_with_its_reader(clone: Path, shop: Shop) -> None:
    def remove(schema: dict[str, Any]) -> None:
        del schema["properties"]["total"]
        schema["required"].remove("total")

    change_schema(clone, CONFIRMED, remove)
    result = shop("contracts", "check")
    assert result.exit_code == 1
    readers = readers_of(clone, CONFIRMED, "total")
    assert "notifications" in readers
    assert (
        f"`total` of {CONFIRMED} was removed, against released text 1. Readers: {', '.join(readers)}. Way out: "
        "send a new property beside it"
    ) in result.output


def test_a_tightened_format_is_caught_with_its_readers(clone: Path, shop: Shop) -> None:
    change_schema(clone, REJECTED, lambda schema: schema["properties"]["customer_id"].update(format="uuid"))
    result = shop("contracts", "check")
    assert result.exit_code == 1
    readers = readers_of(clone, REJECTED, "customer_id")
    assert "notifications" in readers
    assert (
        f"`customer_id` of {REJECTED} had the format none and has uuid, against released text 1. "
        f"Readers: {', '.join(readers)}. Way out: leave it as it was"
    ) in result.output


def test_a_changed_key_is_caught_with_the_readers_of_each_event(clone: Path, shop: Shop) -> None:
    topics = clone / "contracts/topics.yaml"
    before, payments, after = topics.read_text().partition("name: payments.payment.v1")
    topics.write_text(before + payments + after.replace("key: order_id", "key: payment_id", 1))
    result = shop("contracts", "check")
    assert result.exit_code == 1
    for type_, readers in {
        "payments.payment-captured.v1": "analytics, orders",
        "payments.payment-declined.v1": "analytics, orders",
        "payments.payment-refunded.v1": "analytics, notifications",
    }.items():
        assert (
            f"{type_} had the key order_id and has payment_id, against released text 1. Readers: {readers}. "
            "Way out: make it a v2 on a topic with that key"
        ) in result.output


def test_a_list_that_a_reader_narrows_is_caught_by_the_readers_own_tests() -> None:
    class OrderRejected(ConsumedEvent, type=REJECTED, topic="orders.order.v1", key="order_id"):
        """As notifications reads it, with the reasons of today alone."""

        order_id: str
        customer_id: str
        total: Money
        reason: Literal["out_of_stock", "payment_declined"]

    async def handle(tx: Transaction, events: Sequence[Envelope[OrderRejected]]) -> None:
        """No event is sent to it."""

    narrowed = ExpectedEvents("notifications", Subscriptions({OrderRejected: handle}))
    with pytest.raises(AssertionError) as caught:
        narrowed.assert_reads_unknown_values()
    assert f"notifications refuses {REJECTED} reason with a value that it does not know" in str(caught.value)
    assert "The way out: model the field as a text" in str(caught.value)


def test_a_column_that_is_renamed_in_one_step_is_caught_with_the_release_that_runs(
    clone: Path, shop: Shop
) -> None:
    row = scripts(clone, "orders")
    planted = row[-1].file.with_name("renamed.py")
    planted.write_text(RENAMED.format(head=row[-1].revision))
    result = shop("contracts", "migrations")
    assert result.exit_code == 1
    last = versions(clone, "orders")[-1]
    assert (
        f"orders/renamed.py: rename orders.customer_id: orders {last} knows it by its old name. Way out: "
        "add the new one beside it, fill both"
    ) in result.output
