"""A decision is short, complete, listed, and names what holds it."""

import re
from pathlib import Path

import pytest

DECISIONS = Path(__file__).resolve().parents[2] / "docs" / "decisions"
PAGES = sorted(DECISIONS.glob("[0-9]*.md"))
PARTS = ("**Context.**", "**Decision.**", "**Alternatives.**", "**Consequences.**", "**Held by:**")
ONE_PAGE_OF_WORDS = 550


def faults_of(name: str, text: str) -> list[str]:
    faults = [f"{name} has no part {part}" for part in PARTS if part not in text]
    places = [text.find(part) for part in PARTS]
    if not faults and places != sorted(places):
        faults.append(f"{name}: the parts are not in the order {PARTS}")
    if not text.startswith(f"# {name[:4]} "):
        faults.append(f"{name} must begin with `# {name[:4]} `")
    if len(text.split()) > ONE_PAGE_OF_WORDS:
        faults.append(f"{name} has {len(text.split())} words: more than a page")
    if not re.search(r"\*\*Held by:\*\* \S", text):
        faults.append(f"{name} names nothing that holds it")
    return faults


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_is_one_page_with_its_parts(page: Path) -> None:
    assert faults_of(page.name, page.read_text()) == []


def test_the_list_of_decisions_is_complete_and_numbers_have_no_gap() -> None:
    listed = re.findall(r"^\| \[\d{4}\]\(([^)]+)\)", (DECISIONS / "README.md").read_text(), re.MULTILINE)
    assert listed == [page.name for page in PAGES]
    assert [int(page.name[:4]) for page in PAGES] == list(range(1, len(PAGES) + 1))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("**Held by:**", "**Maybe:**"),
        ("**Alternatives.**", "**Besides.**"),
        ("# 0001", "# 1"),
        ("**Decision.**", "word " * 600 + "**Decision.**"),
    ],
)
def test_a_poor_page_is_seen(old: str, new: str) -> None:
    text = PAGES[0].read_text()
    assert faults_of(PAGES[0].name, text) == []
    assert faults_of(PAGES[0].name, text.replace(old, new)) != []
