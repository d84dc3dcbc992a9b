"""Executes a tutorial: each code block of its page is a step, and a block that is no step is a fault.

The sentence right before a block says what the block is, to the reader and to this program:

| The sentence ends with | The block |
|---|---|
| anything, and the block is `sh` | is run in the repository; it must succeed, or fail where the sentence says "fails" |
| anything, and the block is `text` | is output of the command before: its lines come in this order; `…` is any text |
| Write `FILE`: | is the whole file |
| Append to `FILE`: | goes to the end of the file |
| In `FILE`, after `LINE`, add: | goes behind this line, which is in the file once; spaces at its ends do not count |
| In `FILE`, replace … and the next block's by: | is in the file once, and gives place to the next block |

A page names the ports of a shop with no SHOP_PORT_BASE: `localhost:18001` is port 01 of the shop that the steps start.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.pages import Block, blocks_of

WRITE = re.compile(r"\bWrite `([^`]+)`:$")
APPEND = re.compile(r"\bAppend to `([^`]+)`:$")
AFTER = re.compile(r"\bIn `([^`]+)`, after `([^`]+)`, add:$")
REPLACE = re.compile(r"\bIn `([^`]+)`, replace$")
BY = "by:"
PORT = re.compile(r"\blocalhost:18(\d{3})\b")


class PageFault(Exception):
    """A step of a page did not do what the page says: the line, and the reason."""


@dataclass(frozen=True)
class Command:
    """Run `script`. `expected` are lines of its output, empty if any output is right."""

    line: int
    script: str
    expected: str
    fails: bool


@dataclass(frozen=True)
class Edit:
    """Change one file: put `new` where `old` is. Without `old` it is the file's end, or with `whole` the whole file."""

    line: int
    file: str
    new: str
    old: str = ""
    whole: bool = False
    behind: bool = False
    """Keep `old`, which is a line, and put `new` behind it."""


Step = Command | Edit


def steps(page: str) -> list[Step]:
    """The steps of a page in their order. Raises PageFault for a block that is no step."""
    found: list[Step] = []
    blocks = blocks_of(page)
    for block in blocks:
        if block.language == "text":
            if not found or not isinstance(found[-1], Command) or found[-1].expected:
                raise PageFault(f"line {block.line}: this output follows no command")
            before = found.pop()
            assert isinstance(before, Command)
            found.append(Command(before.line, before.script, block.body, before.fails))
        elif block.language == "sh":
            found.append(Command(block.line, block.body, "", bool(re.search(r"\bfails\b", block.sentence))))
        else:
            found.append(_edit(block, blocks))
    return found


def _edit(block: Block, following: Iterator[Block]) -> Edit:
    if match := WRITE.search(block.sentence):
        return Edit(block.line, match[1], block.body, whole=True)
    if match := APPEND.search(block.sentence):
        return Edit(block.line, match[1], block.body)
    if match := AFTER.search(block.sentence):
        return Edit(block.line, match[1], block.body, old=match[2], behind=True)
    if match := REPLACE.search(block.sentence):
        by = next(following, None)
        if by is None or by.sentence != BY:
            raise PageFault(f"line {block.line}: a block must follow that begins with `{BY}`")
        # Without the last line break, so that a block may end within a line of the file.
        return Edit(block.line, match[1], by.body.removesuffix("\n"), old=block.body.removesuffix("\n"))
    raise PageFault(
        f"line {block.line}: the sentence before the block does not say what to do: {block.sentence!r}"
    )


def execute(step: Step, repository: Path, environment: Mapping[str, str]) -> None:
    """Do one step in a copy of the repository. Raises PageFault if it does not do what the page says."""
    if isinstance(step, Command):
        run(step, repository, environment)
    else:
        apply(step, repository)


def apply(edit: Edit, repository: Path) -> None:
    """Change a file. Raises PageFault if the place is missing, or is there more than once."""
    path = repository / edit.file
    if edit.whole:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(edit.new)
        return
    if not path.is_file():
        raise PageFault(f"line {edit.line}: there is no file {edit.file}")
    text = path.read_text()
    if not edit.old:
        path.write_text(text + edit.new)
        return
    old = _whole_line(edit, text) if edit.behind else edit.old
    if not old or text.count(old) != 1:
        raise PageFault(
            f"line {edit.line}: {edit.file} has {edit.old.strip()!r} {text.count(old or edit.old)} times, not once"
        )
    path.write_text(text.replace(old, old + edit.new if edit.behind else edit.new))


def _whole_line(edit: Edit, text: str) -> str:
    lines = [line for line in text.splitlines(keepends=True) if line.strip() == edit.old.strip()]
    return lines[0] if len(lines) == 1 else ""


def run(command: Command, repository: Path, environment: Mapping[str, str]) -> None:
    """Run a command's lines, each of which must succeed. Raises PageFault if the result is another than the page's."""
    base = int(environment.get("SHOP_PORT_BASE", "18000"))
    script = PORT.sub(lambda port: f"localhost:{base + int(port[1])}", command.script)
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=repository,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if (done.returncode != 0) != command.fails:
        raise PageFault(
            f"line {command.line}: `{command.script.strip()}` ended with {done.returncode}:\n{done.stdout[-3000:]}"
        )
    if missing := first_missing(command.expected, done.stdout):
        raise PageFault(
            f"line {command.line}: the output has no line {missing!r} here:\n{done.stdout[-3000:]}"
        )


def first_missing(expected: str, output: str) -> str:
    """The first expected line that does not come in its turn, empty if all come. `…` stands for any text."""
    lines = iter(output.splitlines())
    for wanted in filter(str.strip, expected.splitlines()):
        pattern = ".*".join(map(re.escape, wanted.strip().split("…")))
        if not any(re.fullmatch(pattern, line.strip()) for line in lines):
            return wanted
    return ""
