"""A real service: its release, its environment, its own tests with the expectations of a reader, a planted break."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shop_contracts.answer.decoding import run_decoder
from shop_contracts.answer.findings import Finding
from shop_contracts.answer.pairs import Pair, pairs_of
from shop_contracts.answer.stored import Message
from shop_contracts.answer.verifying import verify
from shop_contracts.releases.make import make
from shop_contracts.releases.model import Release
from shop_stack import venvs
from tools.contracts.tests.mini_clone import TODAY, Clone

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[3]
CONFIRMED = "orders.order-confirmed.v1"
CAPTURED = "payments.payment-captured.v1"
EVENTS = "services/orders/src/orders/events.py"
TESTS = "services/orders/tests/contract/test_contracts.py"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone with the files of this repository as they are now, in one commit."""
    clone = Clone(tmp_path_factory.mktemp("copy"))
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (clone.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone.root / name)
    shutil.rmtree(clone.root / "releases", ignore_errors=True)
    clone.commit()
    return clone


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """The environments of releases are built in the clone that is worked in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV", str(venvs.uv()))
        patch.chdir(folder)
        yield


def release_of(clone: Clone, service: str, version: str) -> Release:
    """A release of the present files under this version."""
    manifest = clone.root / "services" / service / "pyproject.toml"
    lines = manifest.read_text().splitlines(keepends=True)
    manifest.write_text(
        "".join(f'version = "{version}"\n' if x.startswith("version = ") else x for x in lines)
    )
    changelog = manifest.with_name("CHANGELOG.md")
    changelog.write_text(f"{changelog.read_text()}\n## {version}\n\n- A change.\n")
    clone.commit()
    return make(clone.root, service, TODAY)[0]


def findings_of(clone: Clone, orders: Release, notifications: Release) -> tuple[Finding, ...]:
    """What the tests of orders find about that which notifications reads."""
    pairs = [
        one
        for one in pairs_of(clone.root, orders, [notifications])
        if isinstance(one, Pair) and (one.consumer.name, one.provider.name) == ("notifications", "orders")
    ]
    with working_in(clone.root):
        [found] = asyncio.run(verify(clone.root, pairs, lambda _: None)).values()
    return found


@pytest.fixture(scope="module")
def notifications(copy: Clone) -> Release:
    return release_of(copy, "notifications", "0.1.0")


@pytest.fixture(scope="module")
def orders(copy: Clone, notifications: Release) -> Release:
    return release_of(copy, "orders", "0.1.0")


def test_a_release_is_compatible_with_what_a_reader_has_written_down(
    copy: Clone, orders: Release, notifications: Release
) -> None:
    assert findings_of(copy, orders, notifications) == ()


def test_the_code_of_a_release_reads_stored_messages_and_names_the_wrong_field(
    copy: Clone, orders: Release
) -> None:
    data = json.loads(
        (ROOT / "contracts/events/payments.payment-captured/examples/confirmed-order.json").read_text()
    )
    without = {name: value for name, value in data.items() if name != "amount"}
    with working_in(copy.root):
        outcomes = asyncio.run(run_decoder(copy.root, orders, [message(data), message(without)]))
    assert outcomes[0] is None
    assert outcomes[1] is not None
    assert outcomes[1].field == "amount"


def message(data: dict[str, object]) -> Message:
    """An event of payments, as Kafka has it."""
    key = str(data["order_id"]).encode()
    headers = (
        ("ce_id", b"01980000-0000-7000-8000-0000000000ff"),
        ("ce_source", b"/payments"),
        ("ce_type", CAPTURED.encode()),
        ("ce_time", b"2026-03-02T09:00:00Z"),
        ("ce_subject", key),
    )
    topic = "payments.payment.v1"
    return Message(f"{topic}[0]@1", topic, 0, 1, key, json.dumps(data).encode(), headers, 0)


def test_a_field_that_is_renamed_in_one_step_is_found_with_its_reader(
    copy: Clone, orders: Release, notifications: Release
) -> None:
    assert orders.version == "0.1.0"
    rename_total_of_confirmed(copy.root)
    broken = release_of(copy, "orders", "0.2.0")
    found = findings_of(copy, broken, notifications)
    assert [(one.consumer, one.description, one.field, one.pending) for one in found] == [
        ("notifications", CONFIRMED, "total", False)
    ]


def rename_total_of_confirmed(root: Path) -> None:
    """Rename `total` of OrderConfirmed to `amount`: model and producer's test, as one commit would."""
    events = root / EVENTS
    before, confirmed, after = events.read_text().partition("class OrderConfirmed")
    assert "    total: Money\n" in after
    events.write_text(before + confirmed + after.replace("    total: Money\n", "    amount: Money\n", 1))
    tests = root / TESTS
    text = tests.read_text()
    old = "events.OrderConfirmed(**ORDER, confirmed_at=NOW)"
    assert old in text
    new = 'events.OrderConfirmed(**{("amount" if n == "total" else n): v for n, v in ORDER.items()}, confirmed_at=NOW)'
    tests.write_text(text.replace(old, new))
