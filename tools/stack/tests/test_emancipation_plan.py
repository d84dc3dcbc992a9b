"""Which moves of a module are refused, and what each refusal says."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shop_stack import embedded, hands, shapes
from shop_stack.emancipation import plan
from shop_stack.errors import UserError
from shop_stack.ports import SERVICES
from shop_stack.shapes import FIVE, MONOLITH, ORCHESTRATED, SINGLE, Shape
from shop_stack.stack import Stack

PAYMENTS = Shape.parse("orders+inventory+notifications+analytics | payments")


def stack_of(state: Path, shape: Shape | None) -> Stack:
    """A stack with data of a shape, or without data."""
    if shape is not None:
        (state / "postgres").mkdir(parents=True)
        (state / "postgres" / "PG_VERSION").write_text("18")
        shapes.store(state, shape)
    return embedded.stack(state, 33_000)


def test_a_module_of_a_monolith_gets_a_group_of_its_own_and_the_saga_stays(tmp_path: Path) -> None:
    assert plan.wanted(stack_of(tmp_path / "a", Shape.parse(MONOLITH)), "payments", back=False) == PAYMENTS
    orchestrated = stack_of(tmp_path / "b", Shape.parse(MONOLITH, ORCHESTRATED))
    assert plan.wanted(orchestrated, "payments", back=False) == PAYMENTS.with_saga(ORCHESTRATED)


def test_back_goes_to_the_monolith(tmp_path: Path) -> None:
    assert plan.wanted(stack_of(tmp_path, PAYMENTS), "payments", back=True) == Shape((SERVICES,))


@pytest.mark.parametrize(
    ("shape", "module", "back", "sentence"),
    [
        (Shape.parse(MONOLITH), "shipments", False, "There is no module 'shipments': choose one of orders,"),
        (None, "payments", False, "`shop up --as monolith` starts one."),
        (
            Shape.parse(MONOLITH),
            "payments",
            True,
            "in the monolith already: `shop emancipate payments` takes it out.",
        ),
        (PAYMENTS, "payments", False, "a process of its own already: `shop emancipate payments --back`"),
        (PAYMENTS, "orders", False, "payments is out: `shop emancipate payments --back` puts it back."),
        (PAYMENTS, "orders", True, "payments is out: `shop emancipate payments --back` puts it back."),
        (
            Shape.parse(FIVE),
            "payments",
            False,
            "is that of five services: start a monolith beside it with `SHOP_STATE=",
        ),
        (
            Shape.parse("orders+inventory | payments+notifications | analytics"),
            "payments",
            True,
            "is that of the groups orders+inventory | payments+notifications | analytics: start a monolith",
        ),
    ],
)
def test_a_move_that_makes_no_sense_is_refused_with_the_cure(
    tmp_path: Path, shape: Shape | None, module: str, back: bool, sentence: str
) -> None:
    with pytest.raises(UserError) as refused:
        plan.wanted(stack_of(tmp_path, shape), module, back)
    assert sentence in str(refused.value)


async def test_a_shop_that_does_not_run_is_told_how_to_start(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="postgres does not run: `shop up` starts what is missing"):
        await plan.require_able(stack_of(tmp_path, Shape.parse(MONOLITH)), "payments", 30)


def test_a_disk_that_is_too_full_for_the_copy_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1124 * 1024**2)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    stack = embedded.stack(tmp_path, 33_000)
    plan.require_disk(stack, "payments", 33 * 1024**2)
    with pytest.raises(
        UserError, match=r"1124 MiB free, and the move of payments needs 1126 MiB: delete files"
    ):
        plan.require_disk(stack, "payments", 34 * 1024**2)


def test_a_module_whose_copy_would_take_too_long_is_refused_with_the_option_that_allows_it() -> None:
    plan.require_short_wait("payments", 8 * 1024**2, 5)
    with pytest.raises(
        UserError, match="have 216 MiB, and requests would wait for about 30 s .* `--longest-wait 45`"
    ):
        plan.require_short_wait("payments", 216 * 1024**2, 29)


@pytest.fixture
def sleeping() -> Iterator[int]:
    """The pid of a program that stands for a part of the shop."""
    program = subprocess.Popen(["sleep", "60"])
    yield program.pid
    program.kill()
    program.wait()


async def test_a_frozen_part_is_named_with_the_cure(tmp_path: Path, sleeping: int) -> None:
    stack = stack_of(tmp_path / "state", Shape.parse(MONOLITH))
    (stack.state / "run").mkdir()
    stack.daemon("postgres").adopt(sleeping)
    hands.freeze(stack, "postgres")
    with pytest.raises(UserError, match="postgres is frozen: `shop resume postgres` lets it run again"):
        await plan.require_able(stack, "payments", 30)


def test_of_a_saga_that_is_one_transaction_only_the_other_modules_leave(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, Shape.parse(MONOLITH, tx=SINGLE))
    assert plan.wanted(stack, "analytics", back=False).is_single
    with pytest.raises(UserError, match="payments is a part of the saga, which is one transaction here"):
        plan.wanted(stack, "payments", back=False)
