"""A lab is a page of docs/labs with front matter: goal, minutes, needs, check.

    ---
    goal: know how a crash of one service affects customers
    minutes: 15
    needs: [embedded]
    check:
      - runs process/payments
      - orders 2000
      - shop check
    ---

`needs` has the target of the shop (embedded, compose or k8s) and everything else that must be there. `check` lists
steps that are carried out in order: a command that begins with `shop`, or a name of `shop.labs.checks.CHECKS` with its
arguments.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from shop.labs.checks import CHECKS, COMMAND, count_words
from shop_stack.connect import TargetKind
from shop_stack.errors import UserError
from shop_stack.shapes import CHOREOGRAPHED, FIVE, MONOLITH, ORCHESTRATED, Shape

FOLDER = Path("docs/labs")
INDEX = "README.md"
BETWEEN_GROUPS = "|"
CLONE = "clone"
"""The need of a lab that changes services: a clone of its own (shop.labs.clone)."""
FRONT_MATTER = re.compile(r"\A---\n(.*?)^---\n", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r"^# (?:Lab(?: \d+)?: )?(.+)$", re.MULTILINE)
NUMBER = re.compile(r"^\d+-")
KEYS = {"goal", "minutes", "needs", "check"}


@dataclass(frozen=True, slots=True)
class Lab:
    """One lab."""

    name: str
    """The path of its page below docs/labs, without number and ending: `kill-a-service`, `kubernetes/drain`."""
    title: str
    goal: str
    minutes: int
    needs: tuple[str, ...]
    check: tuple[str, ...]
    page: str
    """The page, from the repository's root."""

    @property
    def target(self) -> TargetKind:
        """The shop on which the lab is done."""
        return next(TargetKind(need) for need in self.needs if need in set(TargetKind))

    @property
    def shape(self) -> Shape:
        """The shape of the embedded shop on which the lab is done."""
        shapes = (need for need in self.needs if need == MONOLITH or BETWEEN_GROUPS in need)
        return Shape.parse(next(shapes, FIVE), ORCHESTRATED if ORCHESTRATED in self.needs else CHOREOGRAPHED)

    @property
    def has_clone(self) -> bool:
        """Whether it is done in a clone of its own."""
        return CLONE in self.needs


def labs(root: Path) -> list[Lab]:
    """All labs, by name; those of a folder behind those without one. Raises UserError if a page has no front matter."""
    files = [file for file in (root / FOLDER).rglob("*.md") if file.name != INDEX]
    return sorted((read(root, file) for file in files), key=lambda lab: ("/" in lab.name, lab.name))


def find(root: Path, name: str) -> Lab:
    """The lab of this name, or of this last part of a name. Raises UserError if there is none, or more than one."""
    known = labs(root)
    found = [lab for lab in known if lab.name == name] or [
        lab for lab in known if lab.name.rpartition("/")[2] == name
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"{name!r} is {' and '.join(lab.name for lab in found)}: write the whole name.")
    names = [lab.name for lab in known]
    close = get_close_matches(name, names, n=2, cutoff=0.5)
    meant = f"Did you mean {' or '.join(close)}?" if close else "`shop lab list` names all."
    raise UserError(f"There is no lab {name!r}. {meant}")


def read(root: Path, file: Path) -> Lab:
    """The lab of a page. Raises UserError if its front matter is missing or wrong."""
    shown = str(file.relative_to(root))
    text = file.read_text()
    facts = _front_matter(shown, text)
    title = TITLE.search(text)
    needs, check = facts["needs"], facts["check"]
    if title is None or not isinstance(facts["goal"], str) or not isinstance(facts["minutes"], int):
        raise UserError(f"{shown} needs a heading, a goal in words, and minutes as a number.")
    if not isinstance(needs, list) or sum(need in set(TargetKind) for need in needs) != 1:
        raise UserError(
            f"{shown}: `needs` must list one of {', '.join(TargetKind)}, and what else must be there."
        )
    if not isinstance(check, list) or not check:
        raise UserError(f"{shown}: `check` must list at least one step.")
    for step in check:
        _require_step(shown, str(step))
    relative = file.relative_to(root / FOLDER)
    name = "/".join([*relative.parts[:-1], NUMBER.sub("", relative.stem)])
    return Lab(name, title[1], facts["goal"], facts["minutes"], tuple(needs), tuple(map(str, check)), shown)


def _front_matter(shown: str, text: str) -> Mapping[str, Any]:
    found = FRONT_MATTER.match(text)
    try:
        facts = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError:
        facts = None
    if not isinstance(facts, dict) or set(facts) != KEYS:
        raise UserError(
            f"{shown} must begin with front matter that has {', '.join(sorted(KEYS))}: see {FOLDER / INDEX}."
        )
    return facts


def _require_step(shown: str, step: str) -> None:
    """Raise UserError if a step of `check` is none."""
    name, *arguments = shlex.split(step) or [""]
    if name == COMMAND and arguments:
        return
    if name not in CHECKS:
        raise UserError(
            f"{shown}: there is no check {name!r}: it is `shop …`, or one of {', '.join(CHECKS)}."
        )
    if len(arguments) != (wanted := count_words(name)):
        words = "one word" if wanted == 1 else f"{wanted} words"
        raise UserError(f"{shown}: the check {name!r} takes {words} behind its name.")
