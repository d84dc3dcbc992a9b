"""A start page fits into its quarter of an hour: each command has a duration, each step says what its reader sees."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs" / "start").glob("*.md"))
LAST_MINUTE = 15
PROGRAMS = {"make", "shop", "git", "curl", "sed", "echo", "kill", "python", "lint-imports"}
"""The programs that a start page may use. tests/docs/test_references.py checks their targets and options."""
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
DURATION = re.compile(r"# (\d+) (s|min)\b")
STEP = re.compile(r"^## \d+\. .*$", re.MULTILINE)
MINUTE = re.compile(r"\(minute (\d+)\)$")


def steps_of(page: str) -> list[tuple[str, str]]:
    """The numbered steps of a page: (heading, text up to the next heading)."""
    return [(found[0], page[found.end() :].split("\n## ")[0]) for found in STEP.finditer(page)]


def lines_of(text: str) -> list[str]:
    return [line for block in BLOCK.findall(text) for line in block.splitlines() if line.strip()]


def seconds_of(line: str) -> int:
    """The duration that a command's comment promises; 0 where it promises none."""
    found = DURATION.search(line)
    return 0 if found is None else int(found[1]) * (60 if found[2] == "min" else 1)


def step_faults(heading: str, text: str) -> list[str]:
    lines = lines_of(text)
    faults = [f"no duration: {line}" for line in lines if seconds_of(line) == 0]
    programs = {line: line.split()[0].rpartition("/")[2] for line in lines}
    faults += [f"needs {name}: {line}" for line, name in programs.items() if name not in PROGRAMS]
    if not MINUTE.search(heading):
        faults.append(f"no minute: {heading}")
    if lines and "\nYou see " not in text:
        faults.append(f"does not say what the reader sees: {heading}")
    return faults


def page_faults(page: str) -> list[str]:
    steps = steps_of(page)
    faults = [fault for heading, text in steps for fault in step_faults(heading, text)]
    lasts = {
        int(found[1]): sum(map(seconds_of, lines_of(text)))
        for heading, text in steps
        if (found := MINUTE.search(heading))
    }
    for (begin, seconds), end in zip(lasts.items(), [*list(lasts)[1:], LAST_MINUTE], strict=False):
        if seconds > (end - begin) * 60:
            faults.append(f"minute {begin} to {end} has {seconds} s of commands")
    return faults


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_start_page_fits_into_a_quarter_of_an_hour_and_says_what_its_reader_sees(page: Path) -> None:
    assert page_faults(page.read_text()) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_readme_leads_each_reader_to_the_start_page(page: Path) -> None:
    role = next(
        line
        for line in (ROOT / "README.md").read_text().splitlines()
        if line.startswith("|") and page.stem in line
    )
    assert f"(docs/start/{page.name})" in role


PAGE = """
## 1. Look (minute 0)

```bash
make up                 # 15 s
.venv/bin/shop status   # 1 s
```

You see nine processes.
"""


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("# 15 s", "", "no duration: make up"),
        (".venv/bin/shop status", "jq .", "needs jq"),
        ("You see", "There are", "does not say what"),
        (" (minute 0)", "", "no minute"),
        ("15 s", "16 min", "s of commands"),
    ],
)
def test_a_step_that_promises_too_little_is_seen(old: str, new: str, complaint: str) -> None:
    assert page_faults(PAGE) == []
    assert old in PAGE
    faults = page_faults(PAGE.replace(old, new, 1))
    assert any(complaint in fault for fault in faults), faults
