"""The runbooks as a drill reads them: statements, and commands as they are printed."""

import re
from pathlib import Path
from typing import Any

import yaml

from tests.pages import FollowedPage

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "runbooks"


def page_names() -> list[str]:
    """The names of all runbooks, such as `kafka-down`."""
    return sorted(file.stem for file in FOLDER.glob("*.md"))


class Page(FollowedPage):
    """One runbook."""

    @classmethod
    def read(cls, name: str) -> "Page":
        """The page docs/runbooks/<name>.md."""
        return cls(name, (FOLDER / f"{name}.md").read_text())


def rows_of(text: str) -> list[list[str]]:
    """The cells of all rows of a page's tables, without head and rule."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]
    heads = {number for number in range(len(rows) - 1) if set("".join(rows[number + 1])) == {"-"}}
    return [row for number, row in enumerate(rows) if number not in heads and set("".join(row)) != {"-"}]


def alert_rules() -> list[dict[str, Any]]:
    """All alerts of deploy/, as they are rendered for practice. Of several with one name it has the first."""
    groups = yaml.safe_load((ROOT / "deploy/observability/rules/minutes.yaml").read_text())["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    return list({rule["alert"]: rule for rule in reversed(alerts)}.values())[::-1]
