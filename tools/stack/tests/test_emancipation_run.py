"""The order of the steps: what is done again, what is undone, and what cannot be undone any more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from shop_stack import embedded, paths, shapes
from shop_stack.emancipation import journal, plan, processes, run, steps
from shop_stack.emancipation.journal import Journal
from shop_stack.emancipation.steps import Move
from shop_stack.errors import UserError
from shop_stack.shapes import MONOLITH, Shape
from shop_stack.stack import Stack

WHOLE = Shape.parse(MONOLITH)
APART = Shape.parse("orders+inventory+notifications+analytics | payments")
NAMES = list(steps.OUT)
FAULTS: dict[str, BaseException] = {}
"""Step → the error that it raises once."""


class Killed(BaseException):
    """Stands for SIGKILL: nothing that is written after it is done."""


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps that were made. They do nothing, but `switch` and `undo` store the shape."""
    made: list[str] = []

    def step(name: str) -> Callable[[Move], object]:
        async def make(move: Move) -> None:
            made.append(name)
            if name in FAULTS:
                raise FAULTS.pop(name)
            if name == "switch":
                shapes.store(move.after.state, move.after.shape)

        return make

    async def undo(move: Move) -> None:
        made.append("undo")
        if "undo" in FAULTS:
            raise FAULTS.pop("undo")
        shapes.store(move.before.state, move.before.shape)

    async def nothing(*_: object) -> None:
        return None

    for direction in ("OUT", "BACK"):
        monkeypatch.setattr(steps, direction, {name: step(name) for name in NAMES})
    monkeypatch.setattr(steps, "undo", undo)
    monkeypatch.setattr(plan, "require_able", nothing)
    monkeypatch.setattr(run, "_start_servers", nothing)
    FAULTS.clear()
    return made


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    paths.make_private(tmp_path)
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18")
    shapes.store(tmp_path, WHOLE)
    return embedded.stack(tmp_path, 33_000)


def kill_in(stack: Stack, name: str) -> None:
    """Leave the journal of a command that was killed in this step."""
    kept = Journal("payments", WHOLE, APART, NAMES[: NAMES.index(name)])
    if "switch" in kept.done:
        shapes.store(stack.state, APART)
    journal.write(stack.state, kept)


async def test_all_steps_are_made_in_their_order_and_the_journal_is_forgotten(
    stack: Stack, done: list[str]
) -> None:
    outcome = await run.emancipate(stack, "payments")
    assert (done, outcome.shape, outcome.is_resumed) == (NAMES, APART, False)
    assert journal.read(stack.state) is None


@pytest.mark.parametrize("name", NAMES)
async def test_a_killed_command_goes_on_with_the_step_that_was_not_done(
    stack: Stack, done: list[str], name: str
) -> None:
    kill_in(stack, name)
    outcome = await run.emancipate(stack, "payments")
    assert done == NAMES[NAMES.index(name) :]
    assert (outcome.shape, outcome.is_resumed) == (APART, True)
    assert journal.read(stack.state) is None


@pytest.mark.parametrize("name", NAMES)
async def test_a_step_that_fails_is_undone_up_to_the_switch_and_goes_on_after_it(
    stack: Stack, done: list[str], name: str
) -> None:
    FAULTS[name] = UserError("The disk is full.")
    can_be_undone = NAMES.index(name) <= NAMES.index("switch")
    with pytest.raises(UserError) as raised:
        await run.emancipate(stack, "payments")
    rest = "Everything is as it was before." if can_be_undone else "`shop emancipate payments` goes on."
    assert str(raised.value) == f"The disk is full. {rest}"
    assert (done[-1] == "undo") is can_be_undone
    assert (journal.read(stack.state) is None) is can_be_undone
    assert shapes.stored(stack.state) == (WHOLE if can_be_undone else APART)
    assert (await run.emancipate(embedded.stack(stack.state), "payments")).shape == APART


async def test_the_first_error_of_several_at_once_is_told(stack: Stack, done: list[str]) -> None:
    FAULTS["copy"] = ExceptionGroup("both", [OSError("gone"), UserError("The disk is full.")])
    with pytest.raises(UserError, match=r"^The disk is full\. Everything is as it was before\.$"):
        await run.emancipate(stack, "payments")
    assert done[-1] == "undo"


async def test_the_other_direction_undoes_what_can_be_undone(stack: Stack, done: list[str]) -> None:
    kill_in(stack, "copy")
    outcome = await run.emancipate(stack, "payments", back=True)
    assert (done, outcome.is_undone, outcome.shape) == (["undo"], True, WHOLE)
    assert journal.read(stack.state) is None


async def test_the_other_direction_finishes_first_what_cannot_be_undone(
    stack: Stack, done: list[str]
) -> None:
    kill_in(stack, "open")
    outcome = await run.emancipate(embedded.stack(stack.state), "payments", back=True)
    assert done == ["open", "finish", *NAMES]
    assert (outcome.is_undone, outcome.shape, shapes.stored(stack.state)) == (False, WHOLE, WHOLE)


async def test_an_undo_that_was_killed_is_finished_and_then_the_move_begins_anew(
    stack: Stack, done: list[str]
) -> None:
    kill_in(stack, "copy")
    FAULTS["undo"] = Killed()
    with pytest.raises(Killed):
        await run.emancipate(stack, "payments", back=True)
    kept = journal.read(stack.state)
    assert kept is not None
    assert kept.is_undone
    done.clear()
    assert (await run.emancipate(stack, "payments")).shape == APART
    assert done == ["undo", *NAMES]


@pytest.mark.parametrize(
    ("has_keeper", "is_opening", "told"),
    [
        (True, False, "ready: they waited for at most"),
        (False, False, "ready: they waited for a time that is not known"),
        (True, True, "ready: they waited for a time that is not known"),
    ],
)
async def test_the_wait_is_told_only_if_no_interruption_hides_it(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, *, has_keeper: bool, is_opening: bool, told: str
) -> None:
    async def open_all(_: Stack) -> None:
        return None

    keeper = SimpleNamespace(process=lambda: object() if has_keeper else None)
    monkeypatch.setattr(processes, "keeper", lambda _: keeper)
    monkeypatch.setattr(processes, "open_all", open_all)
    reports: dict[str, str] = {}
    kept = Journal("payments", WHOLE, APART, frozen_at=1.0, is_opening=is_opening)
    move = Move(stack, plan.as_shape(stack, APART), kept, reports.__setitem__, run.trusting)
    await steps.open_all(move)
    assert reports["requests"].startswith(told)
    assert (kept.waited is None) is ("not known" in told)
    written = journal.read(stack.state)
    assert written is not None
    assert written.is_opening


async def test_another_module_waits_until_the_move_is_finished(stack: Stack, done: list[str]) -> None:
    kill_in(stack, "copy")
    with pytest.raises(UserError, match="The move of payments is unfinished"):
        await run.emancipate(stack, "orders")
    assert done == []


async def test_what_a_crash_has_ended_is_started_again_and_sockets_are_kept_anew(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []

    def note(name: str) -> Callable[..., object]:
        async def call(*arguments: object) -> None:
            called.append(name if name != "start" else f"start {arguments[1]}")

        return call

    monkeypatch.setattr(embedded, "start", note("start"))
    for name in ("kill", "release", "open_all"):
        monkeypatch.setattr(processes, name, note(name))
    kept = Journal("payments", WHOLE, APART, ["prepare", "publish", "hold"])
    move = Move(stack, plan.as_shape(stack, APART), kept, embedded.silent, run.trusting)
    await run._start_servers(move)
    servers = ["start postgres", "start spans", "start processor", "start issuer", "start kafka"]
    assert called == [*servers, "kill", "release", "open_all"]
    assert kept.done == ["prepare", "publish"]
    called.clear()
    kept.done, kept.frozen_at = ["prepare", "publish", "hold", "stop"], 1.0
    await run._start_servers(move)
    assert called == servers
    assert kept.done[-1] == "stop"
