"""`shop status`, for people and for machines."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from shop.cli import app
from shop.commands import status
from shop.commands.status import exit_code, facts, table
from shop.letters import open_letters, warning
from shop_stack import embedded, shapes
from shop_stack.embedded import Status
from shop_stack.hands import Act
from shop_stack.logins import OPERATOR, Login
from shop_stack.process import Resources
from shop_stack.stack import INFRASTRUCTURE
from shop_stack.target import Target


async def test_the_status_of_a_stopped_stack_says_so_for_people_and_machines(tmp_path: Path) -> None:
    found = await embedded.status(embedded.stack(tmp_path, 28000))
    assert json.loads(json.dumps(facts(found, {})))["ready"] is False
    assert [part["state"] for part in facts(found, {})["parts"]] == ["stopped"] * 10
    assert table(found).row_count == len(INFRASTRUCTURE) + 5


READY = Status("orders", True, True, 18001, 1, 1.0, None)


async def test_the_status_of_a_stack_that_was_never_started_leaves_no_file(tmp_path: Path) -> None:
    _, letters = await status.look(embedded.stack(tmp_path, 28000))
    assert letters == {}
    assert list(tmp_path.iterdir()) == []


async def test_open_dead_letters_are_counted_for_each_service_since_the_oldest(
    target: Target, write_letter: Any
) -> None:
    for offset, state in enumerate(("HELD", "WAITING", "PARKED", "DISCARDED")):
        await write_letter(offset, "o-1", state)
    letters = await open_letters(target.management_urls, Login(target.issuer, OPERATOR))
    kept = letters["inventory"]
    assert kept is not None
    assert [letter.state for letter in kept] == ["HELD", "WAITING", "PARKED"]
    told = warning("inventory", kept)
    assert told.startswith(f"inventory keeps 3 dead letters since {kept[0].since:%Y-%m-%d %H:%M:%S} UTC")
    assert "`shop dead-letters list inventory`" in told
    assert facts([READY], letters)["dead_letters"] == {
        "inventory": {"open": 3, "since": kept[0].since.isoformat()},
        **dict.fromkeys(("orders", "payments", "notifications", "analytics")),
    }


async def test_a_dead_letter_changes_the_exit_code_and_less_than_a_part_that_is_not_ready(
    target: Target, write_letter: Any
) -> None:
    assert exit_code([READY], await open_letters(target.management_urls, Login(target.issuer, OPERATOR))) == 0
    await write_letter(1, "o-1", "HELD")
    letters = await open_letters(target.management_urls, Login(target.issuer, OPERATOR))
    assert exit_code([READY], letters) == 4
    assert exit_code([READY, replace(READY, ready=False)], letters) == 3


async def test_the_command_tells_people_of_the_dead_letters_under_the_table(
    target: Target, write_letter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write_letter(1, "o-1", "HELD")

    async def look(_: Any) -> Any:
        return [READY], await open_letters(target.management_urls, Login(target.issuer, OPERATOR))

    monkeypatch.setattr(status, "look", look)
    result = await asyncio.to_thread(CliRunner().invoke, app, ["status"], env={"SHOP_TARGET": "embedded"})
    assert result.exit_code == 4
    assert "inventory keeps 1 dead letter since" in result.stdout


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        (replace(READY, running=False, ready=False, act=Act.STOPPED), "stopped by hand: `shop start orders`"),
        (replace(READY, ready=False, act=Act.FROZEN), "frozen by hand: `shop resume orders`"),
        (replace(READY, act=Act.SLOW), "slow by hand: `shop resume orders`"),
    ],
)
def test_what_was_done_to_a_part_is_shown_with_the_command_that_undoes_it(
    part: Status, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look(_: Any) -> Any:
        return [part], {}

    monkeypatch.setattr(status, "look", look)
    told = CliRunner().invoke(app, ["status"], env={"SHOP_TARGET": "embedded"}).stdout
    assert f"orders is {sentence}" in told
    assert facts([part], {})["parts"][0]["by_hand"] == facts([part], {})["parts"][0]["state"] == str(part.act)


def test_a_shop_that_is_not_five_services_says_its_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look(_: Any) -> Any:
        return [READY], {}

    monkeypatch.setattr(status, "look", look)
    monkeypatch.setenv("SHOP_STATE", str(tmp_path))
    monkeypatch.setenv("SHOP_TARGET", "embedded")
    assert "The shop is" not in CliRunner().invoke(app, ["status"]).stdout
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18")
    shapes.store(tmp_path, shapes.Shape.parse("monolith", tx="single"))
    assert (
        "The shop is a monolith whose saga is one transaction." in CliRunner().invoke(app, ["status"]).stdout
    )
    told = json.loads(CliRunner().invoke(app, ["status", "--json"]).stdout)
    assert (told["shape"]["saga"], told["shape"]["tx"]) == ("choreographed", "single")


def test_the_table_fits_into_80_columns() -> None:
    """Every cell as wide as it may become: a shop of days, with processes of gigabytes."""
    used = Resources(resident=12_345_000_000, proportional=12_345_000_000, cpu_seconds=123_456.7)
    parts = [
        Status(name, True, False, 65_535, 4_194_304, 999 * 3600.0, used)
        for name in (*INFRASTRUCTURE, *("notifications",) * 5)
    ]
    console = Console(width=80)
    with console.capture() as shown:
        console.print(table(parts))
    assert "…" not in shown.get()
    assert len(shown.get().splitlines()) == len(parts) + 2
