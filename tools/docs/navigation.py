"""The place of each page in the site's navigation: by folder, and at the top by kind (Diátaxis).

A page is below the README.md of its folder. A page without such a README, and a README without one above it, is at the
top, in the kind that KINDS gives it. A page that has no place causes a warning, and the build fails.
"""

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

ROOT_PAGE = "README"
"""The first page of the site: the README.md of the repository."""
UNDIVIDED = {"", "docs"}
"""Folders whose pages are at the top. Their README.md files are indexes of pages of every kind."""

KINDS: Mapping[str, tuple[str, ...]] = {
    "Start": ("docs/README", "docs/start/*"),
    "Tutorials: learn by doing": ("docs/tutorials/*", "docs/labs/*"),
    "How-to: get one thing done": (
        "docs/how-to/*",
        "docs/runbooks/*",
        "deploy/*",
        "CONTRIBUTING",
        "SECURITY",
        "CODE_OF_CONDUCT",
    ),
    "Reference: look it up": (
        "docs/glossary",
        "docs/chaos",
        "docs/mutants",
        "docs/performance",
        "docs/proofs",
        "docs/skew",
        "docs/security",
        "docs/reference/*",
        "chaos/*",
        "contracts/*",
        "services/*",
        "libs/*",
        "tools/*",
        "tests/*",
        "CHANGELOG",
    ),
    "Explanation: understand why": (
        "docs/architecture",
        "docs/architectures",
        "docs/threat-model",
        "docs/compared-with",
        "docs/explanation/*",
        "docs/sagas/*",
        "docs/decisions/*",
        "docs/postmortems/*",
    ),
}
"""Kind → patterns of the names of pages, in the order of the navigation. `*` also matches `/`."""


def parent_of(page: str, pages: Collection[str]) -> str | None:
    """The README that a page is below; None if the page is at the top."""
    path = PurePosixPath(page)
    folders = list(path.parents)
    if path.name == "README":
        folders = folders[1:]
    for folder in folders:
        readme = str(folder / "README")
        if str(folder).removeprefix(".") not in UNDIVIDED and readme in pages:
            return readme
    return None


def kind_of(page: str) -> str | None:
    """The kind of a page at the top; None if no pattern of KINDS matches."""
    for kind, patterns in KINDS.items():
        if any(fnmatchcase(page, pattern) for pattern in patterns):
            return kind
    return None


def without_place(pages: Collection[str]) -> list[str]:
    """The pages that are in no navigation."""
    return sorted(
        page
        for page in pages
        if page != ROOT_PAGE and parent_of(page, pages) is None and kind_of(page) is None
    )


def children_of(parent: str, pages: Collection[str]) -> list[str]:
    """The pages below a README, sorted by name. The READMEs of subfolders come last."""
    below = [page for page in pages if parent_of(page, pages) == parent]
    return sorted(below, key=lambda page: (page.endswith("/README"), page))


def pages_by_kind(pages: Collection[str]) -> dict[str, list[str]]:
    """Kind → its pages at the top, in the order of the patterns, then sorted by name."""
    at_the_top = [page for page in sorted(pages) if page != ROOT_PAGE and parent_of(page, pages) is None]
    found = {}
    for kind, patterns in KINDS.items():
        of_kind = [page for page in at_the_top if kind_of(page) == kind]
        in_order = [page for pattern in patterns for page in of_kind if fnmatchcase(page, pattern)]
        if in_order:
            found[kind] = list(dict.fromkeys(in_order))
    return found


def toctrees(page: str, pages: Collection[str]) -> str:
    """The navigation below a page, as MyST markup; empty if there is no page below it."""
    if page == ROOT_PAGE:
        return "".join(_toctree(below, kind) for kind, below in pages_by_kind(pages).items())
    below = children_of(page, pages)
    return _toctree(below) if below else ""


def _toctree(pages: Collection[str], caption: str | None = None) -> str:
    options = [":hidden:", *([f":caption: {caption!r}"] if caption else [])]
    entries = [f"/{page}" for page in pages]
    return "\n\n" + "\n".join(["```{toctree}", *options, "", *entries, "```"]) + "\n"


def add_navigation(app: Any, page: str, source: list[str]) -> None:
    """Called by Sphinx when it reads a page: append the navigation below it. Warn of pages that have no place."""
    pages = app.env.found_docs
    if page == ROOT_PAGE:
        for lost in without_place(pages):
            _log().warning("%s.md is in no navigation: add it to KINDS in tools/docs/navigation.py", lost)
    source[0] += toctrees(page, pages)


def _log() -> Any:
    # Sphinx is not installed where the tests of this module run.
    from sphinx.util import logging

    return logging.getLogger(__name__)


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx to load this module as an extension."""
    app.connect("source-read", add_navigation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
