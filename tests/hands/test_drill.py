"""Blind drills on a running shop: each cause is found, cured by one command, and judged; destruction is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from shop_chaos.drills import looks, record
from shop_chaos.drills.menu import MENU, Hidden, chosen
from tests.runbooks.drills.shop import Output, Shop, soon

CURES = {
    ("payments", "down"): ("why --all", "payments does not run", "shop start payments"),
    ("inventory", "frozen"): ("why --all", "inventory is frozen", "shop resume inventory"),
    ("processor", "slow"): ("status", "processor is slow by hand", "shop resume processor"),
    ("inventory", "rights"): ("rights --try", "inventory may not do", "shop up"),
    ("notifications", "connections"): ("why --all", "notifications is not ready", "shop up"),
}
"""The fault of a drill → the command that shows it, its words, and the cure."""
OURS = ("shop_chaos.drills", "shop_stack.slowing")
"""The modules of the processes that a drill starts."""


@pytest_asyncio.fixture(autouse=True)
async def no_drill_is_left(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The test reads the files of the drill in the shop's folder. A drill that it leaves is stopped."""
    monkeypatch.setenv("SHOP_STATE", str(shop.stack.state))
    yield
    await run(shop, "drill stop")


async def run(shop: Shop, command: str) -> Output:
    return await shop.bash(f".venv/bin/shop {command}", 300)


def seed_of(part: str, cause: str) -> int:
    """A seed that chooses this fault."""
    return next(seed for seed in range(10_000) if (chosen(seed).part, chosen(seed).cause) == (part, cause))


async def begin(shop: Shop, part: str, cause: str) -> Hidden:
    started = await run(shop, f"drill start --seed {seed_of(part, cause)}")
    assert started.code == 0, started
    assert not [word for word in ("freeze", "kill", part) if word in started.text]
    return chosen(seed_of(part, cause))


async def bites(part: str, cause: str) -> None:
    """Wait until the background has seen an effect of the fault."""

    async def has_bitten() -> None:
        assert record.read_watched().bit, (part, cause)

    await soon(has_bitten, 60)


async def answered(shop: Shop, part: str, cause: str) -> tuple[int, dict[str, Any]]:
    output = await run(shop, f"drill answer --part {part} --cause {cause} --json 2>{shop.stack.state}/said")
    assert output.text, (shop.stack.state / "said").read_text()
    verdict: dict[str, Any] = output.json
    return output.code, verdict


def processes_and_files(folder: Path) -> str:
    """What a casual look shows: the command lines of the drill's processes, and its plain files."""
    lines = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    files = [file.read_text(errors="replace") for file in folder.rglob("*") if file.is_file()]
    return "\n".join([*(line for line in lines if any(name in line for name in OURS)), *files])


@pytest.mark.parametrize(("part", "cause"), CURES)
async def test_a_fault_is_found_cured_with_one_command_and_judged_by_orders(
    shop: Shop, part: str, cause: str
) -> None:
    await begin(shop, part, cause)
    shown = processes_and_files(looks.folder())
    assert "shop_chaos.drills.background" in shown
    # What slows a part down is a process of its own, as with `shop slow`; it has a process id and no name.
    shown = shown.replace("shop_stack.slowing", "")
    assert [word for word in (part, cause, "freeze", "kill", "right", "limit") if word in shown] == []
    look, words, cure = CURES[part, cause]

    async def is_shown() -> None:
        assert words in (await run(shop, look)).text

    await soon(is_shown, 60)
    await bites(part, cause)
    wrong = await run(shop, "drill answer --part spans --cause down")
    assert (wrong.code, "That is wrong answer 1; the drill goes on." in wrong.text) == (1, True)
    early, open_ = await answered(shop, part, cause)
    assert (early, open_["ruling"], "still in force" in open_["reasons"][0]) == (1, "not cured", True)
    cured = await run(shop, cure.removeprefix("shop "))
    assert cured.code == 0, cured
    code, verdict = await answered(shop, part, cause)
    assert (code, verdict["ruling"], verdict["reasons"]) == (0, "cured", [])
    assert verdict["wrong_answers"] == 1
    assert sum(verdict["money"]["orders"].values()) > 4
    assert "PENDING" not in verdict["money"]["orders"]
    seconds = verdict["seconds"]
    assert 0 < seconds["detect"] <= seconds["diagnose"] <= seconds["cure"]
    assert not looks.folder().exists()


async def test_restarting_everything_is_no_cure(shop: Shop) -> None:
    await begin(shop, "payments", "down")
    for part in ("orders", "inventory", "notifications", "payments"):
        assert (await run(shop, f"restart {part}")).code == 0
    code, verdict = await answered(shop, "payments", "down")
    assert (code, verdict["ruling"]) == (1, "destroyed")
    assert verdict["reasons"] == [
        "3 healthy parts were restarted (inventory, notifications, orders): the fault was in payments alone."
    ]


async def test_deleting_data_is_no_cure(shop: Shop) -> None:
    await begin(shop, "payments", "down")
    await shop.sql("notifications", "CREATE TABLE kept AS TABLE notifications", "DELETE FROM notifications")
    assert (await run(shop, "start payments")).code == 0
    code, verdict = await answered(shop, "payments", "down")
    assert (code, verdict["ruling"]) == (1, "destroyed")
    assert "rows of notifications were deleted." in verdict["reasons"][0]
    back = "INSERT INTO notifications SELECT * FROM kept ON CONFLICT DO NOTHING"
    await shop.sql("notifications", back, "DROP TABLE kept")


async def test_a_part_that_is_left_down_is_no_cure(shop: Shop) -> None:
    await begin(shop, "payments", "down")
    assert (await run(shop, "start payments")).code == 0
    assert (await run(shop, "stop analytics")).code == 0
    code, verdict = await answered(shop, "payments", "down")
    assert (code, verdict["ruling"], verdict["reasons"]) == (1, "not cured", ["analytics does not run."])


async def test_stop_tells_the_fault_undoes_it_and_ends_the_customers(shop: Shop) -> None:
    await begin(shop, "inventory", "frozen")
    again = await run(shop, "drill start")
    assert (again.code, "A drill is on already" in again.text) == (1, True)
    background = record.background().process()
    assert background is not None
    status = await run(shop, "drill status --json")
    assert status.json["orders_placed"] >= 4
    told = await run(shop, "drill stop")
    assert "The fault was inventory: frozen (its process lives and does nothing)." in told.text
    assert not background.is_running() or background.status() == psutil.STATUS_ZOMBIE
    assert (await run(shop, "status")).code == 0


def test_the_cures_are_of_every_cause() -> None:
    assert {cause for _, cause in CURES} == {hidden.cause for hidden in MENU}
