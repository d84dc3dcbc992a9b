"""Each page of docs/labs is a lab, tells its goal, and names the commands that begin and check it."""

from pathlib import Path

import pytest

from shop.labs.pages import FOLDER, Lab, find, labs
from tests.labs.following import sections
from tests.labs.left_out import MISSING

ROOT = Path(__file__).resolve().parents[2]
LABS = labs(ROOT)


def faults_of(lab: Lab, text: str) -> list[str]:
    """Differences between the front matter of a page and its text."""
    _, _, body = text.partition("\n---\n")
    wanted = {
        f"Goal: {lab.goal}.": "the goal is another one in the text",
        f"shop lab start {lab.name}": "the page does not begin the lab",
        f"shop lab check {lab.name}": "the page does not check the lab",
    }
    faults = [fault for part, fault in wanted.items() if part not in body]
    if "Time: " in body and f"Time: {lab.minutes} minutes" not in body:
        faults.append("the minutes are others in the text")
    return faults


def test_the_labs_that_exist_are_listed() -> None:
    names = [lab.name for lab in LABS]
    assert names[:2] == ["compose", "kill-a-service"]
    assert len(names) == len([page for page in (ROOT / FOLDER).rglob("*.md") if page.name != "README.md"])


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)
def test_a_page_says_what_its_front_matter_says(lab: Lab) -> None:
    assert faults_of(lab, (ROOT / lab.page).read_text()) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("Goal: know", "Goal: learn", "the goal is another one in the text"),
        ("lab start kill", "lab begin kill", "the page does not begin the lab"),
        ("lab check kill", "lab judge kill", "the page does not check the lab"),
        ("Time: 15", "Time: 5", "the minutes are others in the text"),
    ],
)
def test_a_page_that_says_something_else_is_seen(old: str, new: str, fault: str) -> None:
    lab = find(ROOT, "kill-a-service")
    text = (ROOT / lab.page).read_text()
    assert old in text
    assert faults_of(lab, text.replace(old, new)) == [fault]


def test_each_lab_asks_the_oracle_at_its_end() -> None:
    assert [lab.name for lab in LABS if lab.check[-1] != "shop check"] == []


@pytest.mark.parametrize("name", MISSING)
def test_each_section_behind_which_the_check_is_asked_is_in_its_lab(name: str) -> None:
    lab = find(ROOT, f"independent-deploys/{name}")
    titles = {section.title for section in sections((ROOT / lab.page).read_text())}
    assert MISSING[name].keys() < titles
