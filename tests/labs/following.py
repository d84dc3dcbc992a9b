"""Does the commands of a lab that has a clone of its own, as its page prints them.

Each block of `bash` is a step. A block of `text` behind it has lines of its output, in their order; `…` is any text.
A step must succeed, or fail where the sentence before it says "fails". A step `cd FOLDER` goes to this folder.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from shop.labs.pages import Lab
from tests.pages import blocks_of
from tests.tutorials.pages import Command, PageFault, run

SECTION = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)
OUR_PORTS = re.compile(r":18(\d{3})\b")
FAILS = re.compile(r"\bfails\b")


@dataclass(frozen=True)
class Section:
    """A section of a page: its title without its number, and its steps."""

    title: str
    steps: tuple[Command, ...]


def sections(page: str) -> list[Section]:
    """The sections of a page that have steps, in their order. Raises PageFault for an output without a command."""
    found = []
    headings = list(SECTION.finditer(page))
    ends = [heading.start() for heading in headings[1:]] + [len(page)]
    for heading, end in zip(headings, ends, strict=True):
        before = page.count("\n", 0, heading.start())
        steps = tuple(_steps(page[heading.start() : end], before))
        if steps:
            found.append(Section(heading["title"].partition(". ")[2] or heading["title"], steps))
    return found


def _steps(text: str, before: int) -> Iterator[Command]:
    waiting: Command | None = None
    for block in blocks_of(text):
        line = before + block.line
        if block.language == "bash":
            if waiting is not None:
                yield waiting
            waiting = Command(line, block.body, "", bool(FAILS.search(block.sentence)))
        elif block.language == "text":
            if waiting is None or waiting.expected:
                raise PageFault(f"line {line}: this output follows no command")
            waiting = Command(waiting.line, waiting.script, block.body, waiting.fails)
        else:
            raise PageFault(f"line {line}: a block of a lab is bash or text")
    if waiting is not None:
        yield waiting


@dataclass
class Learner:
    """A person in a clone of the repository, who has done nothing yet."""

    clone: Path
    environment: Mapping[str, str]
    folder: Path
    """Where the person is: the own clone, or that of the lab."""
    base: int
    """The ports of the shop are counted from this one; a page is written for 18000."""

    def do(self, section: Section) -> None:
        """Do the steps of a section. Raises PageFault if the result of one is another than the page says."""
        for step in section.steps:
            self._do(step)

    def _do(self, step: Command) -> None:
        if step.script.startswith("cd ") and step.script.count("\n") == 1:
            self.folder = (self.folder / step.script.split()[1]).resolve()
            return
        here = OUR_PORTS.sub(lambda found: f":{self.base + int(found[1])}", step.script)
        run(replace(step, script=here), self.folder, self.environment)

    def check(self, lab: Lab) -> tuple[int, str]:
        """The exit code of `shop lab check`, and its sentence."""
        done = subprocess.run(
            [".venv/bin/shop", "lab", "check", lab.name],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, (done.stdout + done.stderr).strip()

    def end(self) -> None:
        """Stop the shop of the labs, and delete its data."""
        shop = self.clone / ".shop" / "lab" / ".venv" / "bin" / "shop"
        if shop.exists():
            subprocess.run(
                [shop, "down", "--wipe"], cwd=self.clone / ".shop" / "lab", env=self.environment, check=True
            )


def learner(repository: Path, folder: Path, base: int) -> Learner:
    """A learner with a clone of a repository in `folder`, whose last commit it has, on ports of its own."""
    clone = folder / "shopfloor"
    subprocess.run(["git", "clone", "--quiet", str(repository), str(clone)], check=True)
    # The learner's own tools are those of the tests; the clone of the lab builds its own.
    (clone / ".venv").symlink_to(repository / ".venv")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHOP_")}
    return Learner(clone, {**kept, "SHOP_PORT_BASE": str(base), "COLUMNS": "240"}, clone, base)
