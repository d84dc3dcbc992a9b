"""Mutants of a small repository end with each of the verdicts."""

import queue
from pathlib import Path

import pytest

from shop_mutants import running, tree
from shop_mutants.catalogue import read
from shop_mutants.running import Workplace
from shop_mutants.tree import Tree
from shop_mutants.verdicts import Judgement, Verdict
from tools.mutants.tests.conftest import SOURCE, AddMutant

pytestmark = pytest.mark.long

RIGHT = "return tries < 4"
LAST = "test_the_fourth_try_is_the_last_one"


@pytest.fixture
def place(repository: Path, tmp_path: Path) -> Workplace:
    trees: queue.Queue[Tree] = queue.Queue()
    trees.put(tree.copy(repository, tmp_path / "copy"))
    return Workplace(trees, tmp_path / "no-servers.json", workers=1)


def judge(repository: Path, place: Workplace) -> dict[str, Judgement]:
    told: list[int] = []
    judgements = running.run(place, read(repository), lambda _, number: told.append(number))
    assert told == list(range(len(judgements) + 1))
    return {one.mutant.name: one for one in judgements}


def test_a_mutant_is_caught_survives_or_proves_nothing(
    repository: Path, place: Workplace, add_mutant: AddMutant
) -> None:
    add_mutant("no-limit", RIGHT, "return True", LAST, "a fifth try")
    add_mutant("no-limit-unseen", RIGHT, "return True", "test_a_first_try_is_allowed")
    add_mutant("broken", RIGHT, "return tries < four", LAST, "a fifth try")
    add_mutant("unreadable", RIGHT, "return tries <", LAST, "a fifth try")
    add_mutant("outdated", "return tries < 5", "return True", LAST, "a fifth try")
    add_mutant("untested", RIGHT, "return True", "test_that_is_not_there")
    add_mutant("red-before", RIGHT, "return True", "test_it_fails_without_a_mutant")
    found = judge(repository, place)
    assert {name: one.verdict for name, one in found.items()} == {
        "no-limit": Verdict.CAUGHT,
        "no-limit-unseen": Verdict.SURVIVED,
        "broken": Verdict.VACUOUS,
        "unreadable": Verdict.VACUOUS,
        "outdated": Verdict.VACUOUS,
        "untested": Verdict.VACUOUS,
        "red-before": Verdict.VACUOUS,
    }
    assert "NameError" in found["broken"].why
    assert "does not apply" in found["outdated"].why
    assert "there is no test" in found["untested"].why
    assert "without the patch" in found["red-before"].why


def test_neither_the_working_tree_nor_the_copy_stays_changed(
    repository: Path, place: Workplace, add_mutant: AddMutant, tmp_path: Path
) -> None:
    add_mutant("no-limit", RIGHT, "return True", LAST, "a fifth try")
    judge(repository, place)
    for root in (repository, tmp_path / "copy"):
        assert (root / "libs/counting/src/counting.py").read_text() == SOURCE


def test_a_mutant_that_hangs_proves_nothing(
    repository: Path, place: Workplace, add_mutant: AddMutant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "SECONDS", 5.0)
    add_mutant("endless", RIGHT, "import time; time.sleep(600)", LAST)
    assert judge(repository, place)["endless"].why == "with the patch: the tests did not end within 5 s"


def test_tests_that_import_the_working_tree_prove_nothing(
    repository: Path, place: Workplace, add_mutant: AddMutant
) -> None:
    path = repository / "libs/counting/src"
    copy = place.trees.queue[0]
    (copy.root / "conftest.py").write_text(f"import sys\nsys.path.insert(0, {str(path)!r})\n")
    add_mutant("no-limit", RIGHT, "return True", LAST, "a fifth try")
    found = judge(repository, place)["no-limit"]
    assert found.verdict is Verdict.VACUOUS
    assert found.why.endswith("the working tree was imported instead of its copy: counting")


def test_a_copy_has_new_files_and_no_ignored_ones(repository: Path, tmp_path: Path) -> None:
    copy = tree.copy(repository, tmp_path / "copy")
    assert (copy.root / "tests/test_limit.py").is_file()
    assert not (copy.root / "ignored").exists()
