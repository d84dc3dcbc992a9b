"""The runbooks as a drill reads them: statements, and commands as they are printed."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "runbooks"
FENCE = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page_names() -> list[str]:
    """The names of all runbooks, such as `kafka-down`."""
    return sorted(file.stem for file in FOLDER.glob("*.md"))


def commands_of(block: str) -> list[str]:
    """The commands of a block: one a line. A block with a here-document or a continued line is one command."""
    if "<<" in block or "\\\n" in block:
        return [block]
    return [line for line in block.splitlines() if line.strip() and not line.startswith("#")]


@dataclass
class Page:
    """One runbook. It remembers which of its commands a drill has run."""

    name: str
    text: str
    _followed: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, name: str) -> "Page":
        """The page docs/runbooks/<name>.md."""
        return cls(name, (FOLDER / f"{name}.md").read_text())

    @property
    def blocks(self) -> list[str]:
        """What stands in the page's ```bash blocks, in order."""
        return FENCE.findall(self.text)

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


def rows_of(text: str) -> list[list[str]]:
    """The cells of all rows of a page's tables, without head and rule."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]
    heads = {number for number in range(len(rows) - 1) if set("".join(rows[number + 1])) == {"-"}}
    return [row for number, row in enumerate(rows) if number not in heads and set("".join(row)) != {"-"}]


def alert_rules() -> list[dict[str, Any]]:
    """All alerts of deploy/."""
    file = ROOT / "deploy" / "k8s" / "components" / "monitoring" / "alerts.yaml"
    groups = yaml.safe_load(file.read_text())["spec"]["groups"]
    return [rule for group in groups for rule in group["rules"]]
