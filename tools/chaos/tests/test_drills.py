"""A blind drill: its files hide the fault, a wrong answer goes on, and `stop` undoes what a killed command has left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from shop_chaos import injectors
from shop_chaos.catalogue import faults
from shop_chaos.drills import background, drill, looks, record
from shop_chaos.drills.drill import answer, hint, start, stop
from shop_chaos.drills.judging import Judgement
from shop_chaos.drills.menu import CAUSES, MENU, Hidden, SlowByHand, chosen, is_in_force
from shop_chaos.drills.record import Drill, Watched
from shop_chaos.injectors import Injector
from shop_chaos.system import System
from shop_stack import embedded, hands, kafka_users
from shop_stack.errors import UserError
from shop_stack.stack import EVERYTHING
from shop_stack.stack_files import write_facts
from shop_stack.target import TargetMissing
from shop_stack.target import embedded as target_of

HEALED: list[str] = []
FAULT = Hidden("kill", "payments", "down", {"part": "payments"})


@dataclass
class Noted(Injector):
    """Notes that it was healed."""

    part: str

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        return {"processes ended": 1}

    async def heal(self, on: System) -> None:
        HEALED.append(self.part)


@pytest.fixture
def shop(tmp_path: Path, base: int, monkeypatch: pytest.MonkeyPatch) -> System:
    """A shop that has files and no processes."""
    monkeypatch.setenv("SHOP_STATE", str(tmp_path))
    monkeypatch.setitem(injectors.INJECTORS, "kill", Noted)
    HEALED.clear()
    stack = embedded.stack(tmp_path, base)
    write_facts(stack)
    return System(stack, target_of(stack.state))


def begun(**changes: Any) -> Drill:
    facts: dict[str, Any] = {"began": time.time(), **changes}
    return Drill(7, facts["began"], asdict(FAULT), {"pid": 1}, {}, {}, **facts)


def test_each_fault_of_the_menu_is_in_the_catalogue_and_can_be_named_by_an_answer() -> None:
    assert {hidden.cause for hidden in MENU} == set(CAUSES)
    for hidden in MENU:
        assert hidden.part in EVERYTHING
        assert isinstance(hidden.injector, Injector)
        assert hidden.must_be_seen == faults().of(hidden.fault).must_be_seen
        assert hidden.part not in hidden.hints[0]
    assert len({(hidden.part, hidden.cause, *hidden.arguments.values()) for hidden in MENU}) == len(MENU)


def test_a_seed_chooses_one_fault_and_seeds_choose_all() -> None:
    assert chosen(7) == chosen(7)
    assert {(found.part, found.cause) for found in map(chosen, range(500))} == {
        (hidden.part, hidden.cause) for hidden in MENU
    }


def test_the_files_of_a_drill_do_not_show_its_fault(shop: System) -> None:
    record.write(begun())
    record.write_watched(Watched(3, {"payments": 1}, bit=True))
    texts = [file.read_bytes() for file in looks.folder().iterdir()]
    for word in (b"payments", b"kill", b"down"):
        assert [text for text in texts if word in text] == []
    assert record.require().fault == FAULT
    assert record.read_watched().starts == {"payments": 1}


def test_a_damaged_file_is_one_sentence(shop: System) -> None:
    record.write(begun())
    (looks.folder() / "drill").write_text("?")
    with pytest.raises(UserError, match="is damaged: delete the folder"):
        record.read()
    looks.note_look("status")
    assert looks.first_look() == 0.0


def test_the_first_diagnostic_command_after_the_fault_is_the_first_look(shop: System) -> None:
    looks.note_look("status")
    record.write(begun(began=0.0))
    looks.note_look("status")
    assert looks.first_look() == 0.0
    record.write(begun())
    looks.note_look("drill")
    looks.note_look(None)
    assert looks.first_look() == 0.0
    looks.note_look("why")
    first = looks.first_look()
    assert first > 0
    looks.note_look("status")
    assert looks.first_look() == first


def test_a_drill_needs_a_whole_shop_and_no_other_drill(
    shop: System, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="postgres is not ready, and a drill needs a whole shop"):
        asyncio.run(start(FAULT, 7, print))
    record.write(begun())
    with pytest.raises(UserError, match="A drill is on already"):
        asyncio.run(start(FAULT, 7, print))
    record.forget()
    monkeypatch.setenv("SHOP_TARGET", "compose")
    with pytest.raises(UserError, match="needs the embedded shop"):
        asyncio.run(start(FAULT, 7, print))
    monkeypatch.setenv("SHOP_TARGET", "embedded")
    (tmp_path / "stack.json").unlink()
    with pytest.raises(TargetMissing, match="No shop runs"):
        asyncio.run(start(FAULT, 7, print))


def test_a_start_that_fails_leaves_no_drill_and_no_fault(
    shop: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        record.write(begun())
        raise UserError("Kafka does not answer")

    async def nothing(*_: object) -> list[embedded.Status]:
        return []

    monkeypatch.setattr(drill, "_begin", fail)
    monkeypatch.setattr(embedded, "status", nothing)
    with pytest.raises(UserError, match="Kafka does not answer"):
        asyncio.run(start(FAULT, 7, print))
    assert HEALED == ["payments"]
    assert not looks.folder().exists()


@pytest.mark.parametrize(
    ("part", "cause", "sentence"),
    [
        ("tills", "down", "There is no 'tills' here: choose one of"),
        ("payments", "lost", "There is no cause 'lost': choose one of down, frozen"),
        ("payments", "down", "No drill is on: `shop drill start`"),
    ],
)
def test_an_answer_that_cannot_be_judged_is_one_sentence(
    shop: System, part: str, cause: str, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        asyncio.run(answer(part, cause, print))


def test_a_wrong_answer_is_counted_and_the_drill_goes_on(shop: System) -> None:
    record.write(begun())
    assert asyncio.run(answer("payments", "frozen", print)) is None
    assert asyncio.run(answer("inventory", "down", print)) is None
    present = record.require()
    assert (present.wrong_answers, present.diagnosed) == (2, 0.0)


def test_the_right_answer_before_the_cure_keeps_the_time_and_the_drill(shop: System) -> None:
    record.write(begun())
    record.write_watched(Watched(9, bit=True))
    judgement = asyncio.run(answer("payments", "down", print))
    assert judgement is not None
    assert (judgement.ruling, judgement.is_final) == ("not cured", False)
    assert "The fault is still in force: payments: down (its process has ended)." in judgement.reasons
    assert "kafka does not run." in judgement.reasons
    diagnosed = record.require().diagnosed
    assert diagnosed > 0
    again = asyncio.run(answer("payments", "down", print))
    assert again is not None
    assert record.require().diagnosed == diagnosed


def test_hints_go_from_the_command_to_the_part_and_are_counted(shop: System) -> None:
    record.write(begun())
    assert [hint() for _ in range(3)] == [
        "`shop status` shows it.",
        "The part is payments.",
        "The part is payments.",
    ]
    assert record.require().hints == 3


def test_stop_undoes_the_fault_of_a_killed_command_and_tells_what_it_was(shop: System) -> None:
    record.write(begun(began=0.0))
    assert asyncio.run(stop()) == "payments: down (its process has ended)"
    assert HEALED == ["payments"]
    assert record.read() is None
    assert asyncio.run(stop()) == ""


def test_stop_after_the_shop_has_ended_forgets_the_drill(shop: System) -> None:
    record.write(begun())
    (shop.stack.state / "stack.json").unlink()
    assert asyncio.run(stop()) == "payments: down (its process has ended)"
    assert HEALED == []
    assert record.read() is None


def test_a_verdict_that_ends_the_drill_undoes_the_fault(
    shop: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def destroyed(*_: object) -> Judgement:
        return Judgement("destroyed", ["gone"], "payments", "down", {}, 0, 0, [], None)

    record.write(begun())
    monkeypatch.setattr(drill, "_judged", destroyed)
    asyncio.run(answer("payments", "down", print))
    assert HEALED == ["payments"]
    assert record.read() is None


def test_a_new_process_is_a_start_and_an_ended_one_is_not() -> None:
    watched = Watched()
    known = background.note_starts({"kafka": "1@1"}, {"kafka": ""}, watched)
    assert watched.starts == {}
    known = background.note_starts(known, {"kafka": "2@5", "orders": ""}, watched)
    background.note_starts(known, {"kafka": "2@5"}, watched)
    assert watched.starts == {"kafka": 1}


def test_the_background_notes_that_the_fault_bit_and_when_it_was_undone(
    shop: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched()
    in_force = [True, False]

    async def asked(*_: object) -> bool:
        return in_force.pop(0)

    monkeypatch.setattr(background, "is_in_force", asked)
    asyncio.run(background.note_fault(begun(), shop, watched))
    assert (watched.bit, watched.cured) == (True, 0.0)
    asyncio.run(background.note_fault(begun(), shop, watched))
    assert watched.cured > 0


def test_what_cannot_be_asked_counts_as_in_force(shop: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_users, "REQUEST_SECONDS", 0.2)
    for cause in CAUSES:
        assert asyncio.run(is_in_force(Hidden("kill", "payments", cause), shop)) is True


def test_a_part_is_slow_as_by_hand_until_it_is_resumed(shop: System) -> None:
    """A program stands for the part."""
    shop.stack.daemon("spans").start(["sleep", "60"], env={})
    slow = SlowByHand("spans")

    async def carry_out() -> tuple[int, int]:
        try:
            await slow.inject(shop)
            during = 0
            while not during:
                during = (await slow.seen(shop, {}))["suspensions"]
            await hands.resume(shop.stack, "spans")
            return during, (await slow.seen(shop, {}))["suspensions"]
        finally:
            await embedded.kill(shop.stack, "spans")

    during, after = asyncio.run(carry_out())
    assert (during > 0, after) == (True, 0)
