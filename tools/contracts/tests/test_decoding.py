"""A release's own decoder reads stored messages; each outcome is kept."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from shop_contracts.answer import decoder, decoding
from shop_contracts.answer.decoding import Outcome, Refusal, read_all, run_decoder
from shop_contracts.answer.stored import Group, Groups, Message
from shop_contracts.releases.model import Release
from shop_stack.errors import UserError
from tools.contracts.tests.mini_clone import Clone

ORDER = {
    "order_id": "01980000-0000-7000-8000-00000000000a",
    "customer_id": "c",
    "amount": {"amount_minor": 1, "currency": "EUR"},
}


def captured(data: object, offset: int = 7, type_: str = "payments.payment-captured.v1") -> Message:
    """A message on the topic of payments."""
    key = ORDER["order_id"]
    headers = {
        "ce_id": "01980000-0000-7000-8000-0000000000ff",
        "ce_source": "/payments",
        "ce_type": type_,
        "ce_time": "2026-03-02T09:00:00Z",
        "ce_subject": str(key),
    }
    return Message(
        f"payments.payment.v1[0]@{offset}",
        "payments.payment.v1",
        0,
        offset,
        str(key).encode(),
        json.dumps(data).encode(),
        tuple((name, value.encode()) for name, value in headers.items()),
        0,
    )


def groups_of(*messages: Message) -> list[Group]:
    groups = Groups()
    for message in messages:
        groups.add(message.topic, message)
    return groups.all()


@pytest.fixture
def this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of `orders` in this environment takes the place of that of a release."""

    async def checkout(release: Release, root: Path) -> Path:
        return Path(__file__).resolve().parents[3]

    async def python_of(release: Release, folder: Path) -> Path:
        return Path(sys.executable)

    monkeypatch.setattr(decoding, "checkout", checkout)
    monkeypatch.setattr(decoding, "python_of", python_of)


def release_of_orders(clone: Clone) -> Release:
    for path in ("pyproject.toml", "requirements.txt", "migrations/versions/0001_a.py"):
        text = (clone.root / "services/shelf" / path).read_text()
        clone.write(f"services/orders/{path}", text.replace("shelf", "orders"))
    clone.write("contracts/asyncapi/orders.yaml", "operations: {}\n")
    return clone.release("orders")


@pytest.mark.usefixtures("this_python")
async def test_the_decoder_of_a_service_says_which_field_it_cannot_read(clone: Clone) -> None:
    without = {name: value for name, value in ORDER.items() if name != "amount"}
    found = await run_decoder(
        clone.root,
        release_of_orders(clone),
        [
            captured(ORDER),
            captured(without),
            captured({**ORDER, "amount": {"amount_minor": "1", "currency": "EUR"}}),
            captured(ORDER, type_="payments.payment-refunded.v1"),
            captured(ORDER, type_="payments.payment-lost.v1"),
        ],
    )
    assert [None if one is None else (one.reason, one.field) for one in found] == [
        None,
        ("schema-violation", "amount"),
        ("schema-violation", "amount.amount_minor"),
        None,
        ("unknown-type", "ce_type"),
    ]


@pytest.mark.usefixtures("this_python")
async def test_a_release_whose_code_cannot_be_run_says_why(clone: Clone) -> None:
    with pytest.raises(UserError, match=r"shelf 0\.1\.0 could not read messages: .*No module named 'shelf'"):
        await run_decoder(clone.root, clone.release("shelf"), [captured(ORDER)])


async def test_the_decoder_needs_nothing_but_the_standard_library_and_the_release() -> None:
    # -S: without the packages of any environment, its own imports must still succeed.
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", decoder.__file__, "nothing"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await child.communicate()
    assert b"No module named 'nothing'" in errors


class Reader:
    """In the place of a release's decoder: it refuses messages without JSON."""

    def __init__(self) -> None:
        self.read: list[int] = []

    async def __call__(self, root: Path, release: Release, messages: Sequence[Message]) -> list[Outcome]:
        self.read += [message.offset for message in messages]
        return [None if message.value == b"{}" else Refusal("unreadable", "no JSON") for message in messages]


async def test_a_shape_is_read_once_by_one_release(clone: Clone) -> None:
    release = clone.release("shelf")
    reader = Reader()
    for _ in range(2):
        outcomes = await read_all(
            clone.root, release, groups_of(captured({}, 1), captured({"a": 1}, 2)), reader
        )
        assert outcomes == [None, Refusal("unreadable", "no JSON")]
    assert reader.read == [1, 2]
    await read_all(clone.root, release, groups_of(captured({}, 3), captured({"b": 1}, 4)), reader)
    assert reader.read == [1, 2, 4]


async def test_another_release_reads_anew(clone: Clone) -> None:
    reader = Reader()
    for version in ("0.1.0", "0.2.0"):
        clone.write("services/shelf/src/shelf/__init__.py", f"VERSION = '{version}'\n")
        await read_all(clone.root, clone.release("shelf", version), groups_of(captured({}, 1)), reader)
    assert reader.read == [1, 1]
