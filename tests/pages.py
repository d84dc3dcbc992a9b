"""The code blocks of a page, for the tests that follow tutorials, runbooks and labs command by command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One code block, and the last paragraph before it on one line."""

    line: int
    language: str
    body: str
    sentence: str


def blocks_of(page: str) -> Iterator[Block]:
    """The code blocks of a page, in order."""
    end = 0
    for match in FENCE.finditer(page):
        paragraph = page[end : match.start()].strip().rpartition("\n\n")[2]
        line = page.count("\n", 0, match.start()) + 1
        yield Block(line, match[1], match[2], " ".join(paragraph.split()))
        end = match.end()


def commands_of(block: str) -> list[str]:
    """The commands of a block: one a line. A block with a here-document or a continued line is one command."""
    if "<<" in block or "\\\n" in block:
        return [block]
    return [line for line in block.splitlines() if line.strip() and not line.startswith("#")]


@dataclass
class FollowedPage:
    """A page whose ```bash blocks a test runs. It remembers which of them were run."""

    name: str
    text: str
    _followed: set[str] = field(default_factory=set)

    @property
    def blocks(self) -> list[str]:
        """What stands in the page's ```bash blocks, in order."""
        return [block.body for block in blocks_of(self.text) if block.language == "bash"]

    def says(self, *statements: str) -> None:
        """Hold that these statements stand in the page: the drill checks them beside.

        A page that was changed fails here, and its drill has to be changed with it.
        """
        flat = " ".join(self.text.split())
        for statement in statements:
            assert " ".join(statement.split()) in flat, f"{self.name}.md does not say (any more): {statement}"

    def follow(self, block: str) -> list[str]:
        """The commands of a block, or of a code span in the text. The block counts as followed."""
        assert block in self.blocks or f"`{block}`" in self.text, f"{self.name}.md has no command {block}"
        self._followed.add(block)
        return commands_of(block)

    @property
    def left_out(self) -> list[str]:
        """Blocks that no drill has followed yet."""
        return [block for block in self.blocks if block not in self._followed]
