"""A named change: which files and processes it changes, and which tests these wait for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shop_lab.compare import named_change as changing
from shop_lab.compare.named_change import changed_files, changed_services, named_change
from shop_lab.testbed import Testbed
from shop_stack import embedded
from shop_stack.errors import UserError
from shop_stack.paths import repository
from shop_stack.shapes import Shape

NEW = {
    "contracts/events/orders.order-confirmed/examples/with-the-time-of-placing.json",
    "services/orders/tests/component/test_time_of_placing.py",
}
"""The files that the tutorial writes."""


def shop_as(shape: str, folder: Path) -> Testbed:
    stack = embedded.stack(folder, 30_000, shape=Shape.parse(shape))
    return Testbed(stack, None)  # type: ignore[arg-type]  # nothing reads the target


def test_the_files_are_those_that_the_tutorial_changes() -> None:
    files = changed_files()
    assert files > NEW
    assert [file for file in files - NEW if not (repository() / file).is_file()] == []
    assert changed_services(files) == {"orders", "notifications"}


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is restarted and tested. Nothing is really done."""
    found: list[str] = []

    async def restart(_: Any, unit: str) -> None:
        found.append(f"restart {unit}")

    async def run(argv: list[str], **_: Any) -> tuple[int, str]:
        found.append(f"test {argv[-1]}")
        return 0, ""

    monkeypatch.setattr(embedded, "restart", restart)
    monkeypatch.setattr(changing, "run", run)
    monkeypatch.setattr(changing, "_seconds", {})
    return found


async def test_a_process_waits_for_the_tests_of_all_its_modules(done: list[str], tmp_path: Path) -> None:
    found = await named_change(shop_as("orders+inventory | payments+notifications | analytics", tmp_path))
    assert found["field_deployables"] == 2
    assert found["field_files"] == len(changed_files())
    assert done == [
        *("restart orders+inventory", "restart payments+notifications"),
        *(f"test services/{name}" for name in ("inventory", "notifications", "orders", "payments")),
    ]


async def test_tests_run_once_for_all_shapes(done: list[str], tmp_path: Path) -> None:
    first = await named_change(shop_as("services", tmp_path))
    done.clear()
    assert (await named_change(shop_as("services", tmp_path)))["field_test_seconds"] == first[
        "field_test_seconds"
    ]
    assert done == ["restart notifications", "restart orders"]


@pytest.mark.usefixtures("done")
async def test_a_change_whose_tests_fail_has_no_cost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def fails(*_: Any, **__: Any) -> tuple[int, str]:
        return 1, "1 failed"

    monkeypatch.setattr(changing, "run", fails)
    with pytest.raises(UserError, match="The tests of notifications failed: 1 failed"):
        await named_change(shop_as("services", tmp_path))
