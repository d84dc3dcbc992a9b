"""The mutants of chaos/mutants: mutants.yaml, and a patch for each of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from shop_stack.errors import UserError

FOLDER = Path("chaos/mutants")
FILE = "mutants.yaml"
FIELDS = ("name", "without", "from", "caught_by", "message")


@dataclass(frozen=True)
class Mutant:
    """A patch that takes a pattern away.

    `without` says what the patched code lacks. `origin` is the source of the mutant: "pattern", or the page that
    describes the bug that the patch brings back. `caught_by` are the node ids of the tests that must fail. `message` is
    a regular expression that each of their errors must contain, so that a failure for another reason is not counted.
    """

    name: str
    without: str
    origin: str
    caught_by: tuple[str, ...]
    message: str
    patch: Path

    @property
    def files(self) -> list[str]:
        """The files that the patch changes, from the repository's root."""
        return re.findall(r"^\+\+\+ b/(\S+)", self.patch.read_text(), re.MULTILINE)

    def as_json(self) -> dict[str, Any]:
        """The mutant for programs."""
        return {
            "name": self.name,
            "without": self.without,
            "from": self.origin,
            "caught_by": list(self.caught_by),
        }


def read(repository: Path) -> list[Mutant]:
    """All mutants, in the order of their file. Raises UserError if the file or a patch is not as it must be."""
    folder = repository / FOLDER
    file = folder / FILE
    try:
        entries = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{FOLDER / FILE} cannot be read ({type(error).__name__}): restore it.") from None
    if not isinstance(entries, list):
        raise UserError(f"{FOLDER / FILE} has no list of mutants: restore it.")
    mutants = [_mutant(folder, entry) for entry in entries]
    names = [mutant.name for mutant in mutants]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"{FOLDER / FILE} has two mutants of the name {twice[0]}: rename one.")
    if unnamed := sorted({patch.stem for patch in folder.glob("*.patch")} - set(names)):
        raise UserError(f"{FOLDER}/{unnamed[0]}.patch is not in {FILE}: add an entry, or delete the patch.")
    return mutants


def _mutant(folder: Path, entry: Any) -> Mutant:
    if not isinstance(entry, dict) or sorted(entry) != sorted(FIELDS):
        name = entry.get("name", entry) if isinstance(entry, dict) else entry
        raise UserError(f"The entry {name!r} of {FOLDER / FILE} must have exactly: {', '.join(FIELDS)}.")
    patch = folder / f"{entry['name']}.patch"
    if not patch.is_file():
        raise UserError(f"{FOLDER / patch.name} is missing: write the patch, or delete the entry.")
    try:
        re.compile(entry["message"])
    except re.error as error:
        raise UserError(f"The message of the mutant {entry['name']} is no pattern: {error}.") from None
    if not entry["caught_by"]:
        raise UserError(f"The mutant {entry['name']} names no test that must catch it: name one.")
    return Mutant(
        entry["name"],
        " ".join(entry["without"].split()),
        entry["from"],
        tuple(entry["caught_by"]),
        entry["message"],
        patch,
    )


def chosen(mutants: Sequence[Mutant], names: Collection[str]) -> list[Mutant]:
    """The mutants with these names, or all of them without a name. Raises UserError for an unknown name."""
    known = {mutant.name for mutant in mutants}
    if unknown := sorted(set(names) - known):
        raise UserError(f"There is no mutant {unknown[0]}: `shop mutate --list` names all of them.")
    return [mutant for mutant in mutants if not names or mutant.name in names]
