"""The file that says how far a move has come."""

from __future__ import annotations

from pathlib import Path

import pytest

from shop_stack import embedded, paths, stack_files
from shop_stack.emancipation import journal
from shop_stack.emancipation.journal import Journal, Mark
from shop_stack.errors import UserError
from shop_stack.shapes import MONOLITH, ORCHESTRATED, Shape

WHOLE = Shape.parse(MONOLITH, ORCHESTRATED)
APART = Shape.parse("orders+inventory+notifications+analytics | payments", ORCHESTRATED)


def a_journal() -> Journal:
    marks = [Mark("3:3:", {"orders.order.v1/0": 0}), Mark("9:9:", {"orders.order.v1/0": 4})]
    return Journal(
        "payments", WHOLE, APART, ["prepare", "publish"], marks, True, 1.5, 0.5, 7, 8, is_opening=True
    )


def test_what_is_written_is_read_again_and_can_be_forgotten(tmp_path: Path) -> None:
    assert journal.read(tmp_path) is None
    journal.write(tmp_path, a_journal())
    assert journal.read(tmp_path) == a_journal()
    assert (tmp_path / journal.FILE).stat().st_mode & 0o077 == 0
    journal.forget(tmp_path)
    assert journal.read(tmp_path) is None


def test_an_unfinished_move_names_both_commands_in_each_direction(tmp_path: Path) -> None:
    journal.require_none(tmp_path)
    journal.write(tmp_path, a_journal())
    with pytest.raises(
        UserError, match="`shop emancipate payments` finishes it, `.* payments --back` undoes it"
    ):
        journal.require_none(tmp_path)
    journal.write(tmp_path, Journal("payments", APART, WHOLE))
    with pytest.raises(
        UserError, match="`shop emancipate payments --back` finishes it, `.* payments` undoes it"
    ):
        journal.require_none(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"module": "payments"}', '{"before": {"groups": 3, "saga": ""}}']
)
def test_a_damaged_file_is_named_with_the_cure(tmp_path: Path, text: str) -> None:
    (tmp_path / journal.FILE).write_text(text)
    with pytest.raises(UserError, match=r"emancipation\.json cannot be read.*`shop down --wipe`"):
        journal.read(tmp_path)


async def test_a_shop_in_the_middle_of_a_move_is_not_started_by_other_commands(tmp_path: Path) -> None:
    paths.make_private(tmp_path)
    journal.write(tmp_path, a_journal())
    stack = embedded.stack(tmp_path, 33_000, shape=WHOLE)
    with pytest.raises(UserError, match="unfinished"):
        await embedded.up(stack)
    with pytest.raises(UserError, match="unfinished"):
        await embedded.start(stack, "monolith")


async def test_a_restart_in_the_middle_of_a_move_is_refused_before_anything_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []

    async def end(_: object, name: str) -> None:
        ended.append(name)

    monkeypatch.setattr(embedded, "kill", end)
    monkeypatch.setattr(embedded, "stop", end)
    journal.write(tmp_path, a_journal())
    stack = embedded.stack(tmp_path, 33_000, shape=WHOLE)
    for hard in (True, False):
        with pytest.raises(UserError, match="unfinished"):
            await embedded.restart(stack, "monolith", hard=hard)
    assert ended == []


def test_a_wipe_deletes_the_file(tmp_path: Path) -> None:
    journal.write(tmp_path, a_journal())
    stack_files.wipe(embedded.stack(tmp_path, 33_000))
    assert journal.read(tmp_path) is None
