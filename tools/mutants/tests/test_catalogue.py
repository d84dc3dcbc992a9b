"""The committed mutants are fit to run, and a wrong entry is one sentence with the cure."""

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import yaml

from shop_mutants import tree
from shop_mutants.catalogue import FILE, FOLDER, Mutant, chosen, read
from shop_mutants.tree import PatchRefused, Tree
from shop_stack.errors import UserError
from shop_stack.paths import repository as root_of_clone
from tools.mutants.tests.conftest import AddMutant

ROOT = root_of_clone()
MUTANTS = read(ROOT)
RIGHT = "return tries < 4"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return tree.copy(ROOT, tmp_path_factory.mktemp("mutants") / "clone")


@cache
def names_in(file: str) -> set[str]:
    """The names of the test functions of a file."""
    found = ast.walk(ast.parse((ROOT / file).read_text()))
    return {node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_there_are_mutants_of_patterns_and_of_bugs_that_were_found() -> None:
    origins = {mutant.origin for mutant in MUTANTS}
    assert len(MUTANTS) >= 25
    assert {"pattern", "docs/postmortems/README.md"} < origins


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_patch_applies_to_the_tree_and_can_be_taken_back(clone: Tree, mutant: Mutant) -> None:
    assert mutant.files
    before = [(clone.root / name).read_text() for name in mutant.files]
    clone.apply(mutant)
    assert all(
        (clone.root / name).read_text() != text for name, text in zip(mutant.files, before, strict=True)
    )
    clone.restore(mutant)
    assert [(clone.root / name).read_text() for name in mutant.files] == before


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_mutant_names_tests_that_exist_and_a_message(mutant: Mutant) -> None:
    for node in mutant.caught_by:
        file, name = node.split("::")
        assert name in names_in(file), f"{node} is not there: name another test in {FOLDER / FILE}"
    assert mutant.message, "without a message a failure for any reason would count"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_of_a_bug_names_the_page_that_describes_it(mutant: Mutant) -> None:
    assert mutant.origin == "pattern" or (ROOT / mutant.origin).is_file()


def test_a_patch_for_other_code_is_refused(repository: Path, tmp_path: Path, add_mutant: AddMutant) -> None:
    add_mutant("outdated", "return tries < 5", "return True", "test_a_first_try_is_allowed")
    with pytest.raises(PatchRefused, match="counting.py"):
        tree.copy(repository, tmp_path / "copy").apply(read(repository)[0])


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda entry: entry.pop("without"), "must have exactly: name, without, from, caught_by, message"),
        (lambda entry: entry.update(name="other"), "other.patch is missing"),
        (lambda entry: entry.update(message="("), "is no pattern"),
        (lambda entry: entry.update(caught_by=[]), "names no test"),
    ],
)
def test_a_wrong_entry_is_one_sentence_with_the_cure(
    repository: Path, add_mutant: AddMutant, spoil: Callable[[dict[str, object]], object], sentence: str
) -> None:
    add_mutant("no-limit", RIGHT, "return True", "test_a_first_try_is_allowed")
    file = repository / FOLDER / FILE
    [entry] = yaml.safe_load(file.read_text())
    spoil(entry)
    file.write_text(yaml.safe_dump([entry]))
    with pytest.raises(UserError, match=sentence):
        read(repository)


def test_a_patch_without_an_entry_and_a_name_that_is_used_twice_are_refused(
    repository: Path, add_mutant: AddMutant
) -> None:
    (repository / FOLDER / "forgotten.patch").write_text("")
    with pytest.raises(UserError, match="forgotten.patch is not in mutants.yaml"):
        read(repository)
    (repository / FOLDER / "forgotten.patch").unlink()
    for _ in range(2):
        add_mutant("no-limit", RIGHT, "return True", "test_a_first_try_is_allowed")
    with pytest.raises(UserError, match="two mutants of the name no-limit"):
        read(repository)


@pytest.mark.parametrize("text", ["name: no-limit", "- [", "one"])
def test_a_damaged_file_is_one_sentence_with_the_cure(repository: Path, text: str) -> None:
    (repository / FOLDER / FILE).write_text(text)
    with pytest.raises(UserError, match="restore it"):
        read(repository)


def test_an_unknown_name_is_refused_and_no_name_means_all(repository: Path, add_mutant: AddMutant) -> None:
    add_mutant("no-limit", RIGHT, "return True", "test_a_first_try_is_allowed")
    mutants = read(repository)
    assert chosen(mutants, []) == chosen(mutants, ["no-limit"]) == mutants
    with pytest.raises(UserError, match="no mutant no-inbox: `shop mutate --list`"):
        chosen(mutants, ["no-inbox"])
