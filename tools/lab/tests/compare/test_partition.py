"""A partition begins, orders arrive, it ends, and the shop comes to rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shop_lab.compare import partition, window
from shop_lab.compare.figures import CUTS
from shop_lab.compare.window import Window
from shop_lab.testbed import Testbed
from shop_stack import embedded
from shop_stack.errors import UserError
from shop_stack.shapes import Shape

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Noted:
    """Notes what happens; nothing is really cut off."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[str] = []
        monkeypatch.setattr(partition, "CUTS", {name: self._cut(name) for name in partition.CUTS})
        monkeypatch.setattr(window, "watch", self._watch)
        monkeypatch.setattr(window, "come_to_rest", self._rest)

    def _cut(self, name: str) -> object:
        @asynccontextmanager
        async def cut(_: Testbed) -> AsyncIterator[None]:
            self.steps.append(f"cut {name}")
            try:
                yield
            finally:
                self.steps.append(f"repair {name}")

        return cut

    async def _watch(self, _: Testbed, broken: str, seconds: float) -> Window:
        self.steps.append(f"{seconds:.0f} s of orders")
        return Window(broken, AT, AT, tried=10, accepted=10)

    async def _rest(self, _: Testbed, broken: str) -> None:
        self.steps.append(f"rest after {broken}")


def shape_in(shape: str, folder: Path) -> Testbed:
    stack = embedded.stack(folder, 30_000, shape=Shape.parse(shape))
    return Testbed(stack, None)  # type: ignore[arg-type]  # nothing reads the target


async def test_a_cut_ends_before_the_shop_must_come_to_rest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    noted, log = Noted(monkeypatch), list[str]()
    windows = await partition.cut_all(shape_in("services", tmp_path), 6.0, log.append)
    assert [one.broken for one in windows] == ["cut_kafka", "cut_database"]
    assert noted.steps[:4] == ["cut kafka", "6 s of orders", "repair kafka", "rest after cut_kafka"]
    assert log == ["cut off from kafka", "cut off from database"]


async def test_a_shape_without_kafka_cannot_lose_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    noted = Noted(monkeypatch)
    windows = await partition.cut_all(shape_in("monolith", tmp_path), 6.0, lambda _: None)
    assert [one.broken for one in windows] == ["cut_database"]
    assert not [step for step in noted.steps if "kafka" in step]


async def test_a_cut_is_repaired_although_the_orders_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    noted = Noted(monkeypatch)

    async def fails(*_: object) -> Window:
        raise UserError("no customer came")

    monkeypatch.setattr(window, "watch", fails)
    with pytest.raises(UserError, match="no customer came"):
        await partition.cut_all(shape_in("services", tmp_path), 6.0, lambda _: None)
    assert noted.steps == ["cut kafka", "repair kafka"]


def test_each_cut_has_a_row() -> None:
    assert list(partition.CUTS) == list(CUTS)
