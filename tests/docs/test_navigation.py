"""The site's navigation has a place for each page, and says so when it has none."""

import re
from pathlib import Path

import pytest

from tools.docs.navigation import (
    KINDS,
    children_of,
    kind_of,
    pages_by_kind,
    parent_of,
    toctrees,
    without_place,
)

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "README",
    "CONTRIBUTING",
    "docs/README",
    "docs/glossary",
    "docs/architecture",
    "docs/runbooks/README",
    "docs/runbooks/kafka-down",
    "docs/labs/README",
    "docs/labs/01-kill-a-service",
    "docs/labs/kubernetes/README",
    "docs/labs/kubernetes/drain",
    "docs/sagas/place-order",
    "services/orders/README",
    "services/orders/CHANGELOG",
}


@pytest.mark.parametrize(
    ("page", "parent"),
    [
        ("docs/runbooks/kafka-down", "docs/runbooks/README"),
        ("docs/labs/kubernetes/drain", "docs/labs/kubernetes/README"),
        ("docs/labs/kubernetes/README", "docs/labs/README"),
        ("services/orders/CHANGELOG", "services/orders/README"),
        ("docs/labs/README", None),
        ("docs/glossary", None),
        ("docs/README", None),
        ("CONTRIBUTING", None),
        ("docs/sagas/place-order", None),
    ],
)
def test_a_page_stands_below_the_nearest_readme(page: str, parent: str | None) -> None:
    assert parent_of(page, PAGES) == parent


def test_each_page_stands_in_one_place() -> None:
    at_the_top = [page for pages in pages_by_kind(PAGES).values() for page in pages]
    below = [child for page in PAGES for child in children_of(page, PAGES)]
    assert sorted([*at_the_top, *below, "README"]) == sorted(PAGES)


def test_the_kinds_of_diataxis_are_there_in_their_order() -> None:
    words = [kind.partition(":")[0] for kind in KINDS]
    assert words == ["Start", "Tutorials", "How-to", "Reference", "Explanation"]
    assert kind_of("docs/runbooks/README") == "How-to: get one thing done"


@pytest.mark.parametrize(
    "page", ["docs/start/operator", "docs/tutorials/add-a-step", "docs/decisions/0099-x"]
)
def test_a_page_that_is_new_in_its_folder_is_picked_up(page: str) -> None:
    assert f"/{page}\n" in toctrees("README", {*PAGES, page})


def test_a_page_of_no_kind_is_seen() -> None:
    assert without_place(PAGES) == []
    assert without_place({*PAGES, "docs/essay", "essay/README", "docs/labs/essay"}) == [
        "docs/essay",
        "essay/README",
    ]


def pages_of_this_repository() -> set[str]:
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    return {str(path.relative_to(ROOT).with_suffix("")) for path in found}


def not_in_the_index(index: str, pages: set[str]) -> list[str]:
    """The pages below docs/ that stand at the top of the navigation, and that the index does not lead to."""
    at_the_top = [page for of_kind in pages_by_kind(pages).values() for page in of_kind]
    named = {f"docs/{link}".removesuffix(".md") for link in re.findall(r"\]\(([^)#]+)", index)}
    return [page for page in at_the_top if page.startswith("docs/") and page not in {*named, "docs/README"}]


def test_every_page_of_this_repository_is_in_the_navigation() -> None:
    assert without_place(pages_of_this_repository()) == []


def test_the_index_leads_to_every_page_at_the_top() -> None:
    index = (ROOT / "docs/README.md").read_text()
    assert not_in_the_index(index, pages_of_this_repository()) == [], "add a line to docs/README.md"
    assert not_in_the_index(index, {"README", "docs/glossary", "docs/start/new"}) == ["docs/start/new"]
