"""Where each page stands in the site's navigation: by folder, and at the top by kind (Diátaxis).

A page stands below the README.md of its folder. A page without such a README, and a README with none above it, stands
at the top, below the kind that KINDS gives it. A page that has no place fails the build.
"""

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

ROOT_PAGE = "README"
"""The first page of the site: the README.md of the repository."""
UNDIVIDED = {"", "docs"}
"""Folders whose pages stand at the top: their README.md files are indexes of all kinds."""

KINDS: Mapping[str, tuple[str, ...]] = {
    "Start": ("docs/README", "docs/start/*", "docs/compared-with"),
    "Tutorials: learn by doing": ("docs/tutorials/*", "docs/labs/*"),
    "How-to: get one thing done": (
        "docs/how-to/*",
        "docs/runbooks/*",
        "deploy/*",
        "CONTRIBUTING",
        "SECURITY",
    ),
    "Reference: look it up": (
        "docs/glossary",
        "docs/performance",
        "docs/proofs",
        "docs/reference/*",
        "contracts/*",
        "services/*",
        "libs/*",
        "tools/*",
        "tests/*",
        "CHANGELOG",
    ),
    "Explanation: understand why": (
        "docs/architecture",
        "docs/explanation/*",
        "docs/sagas/*",
        "docs/decisions/*",
        "docs/postmortems/*",
    ),
}
"""Kind → patterns of the names of pages, in the order of the navigation. `*` also matches `/`."""


class NoPlace(Exception):
    """A page is of no kind."""

    def __init__(self, page: str) -> None:
        super().__init__(f"{page}.md is in no navigation: add it to KINDS in tools/docs/navigation.py")


def parent_of(page: str, pages: Collection[str]) -> str | None:
    """The README that a page stands below; None if it stands at the top."""
    path = PurePosixPath(page)
    folders = list(path.parents)
    if path.name == "README":
        folders = folders[1:]
    for folder in folders:
        readme = str(folder / "README")
        if str(folder).removeprefix(".") not in UNDIVIDED and readme in pages:
            return readme
    return None


def kind_of(page: str) -> str:
    """The kind of a page at the top. Raises NoPlace."""
    for kind, patterns in KINDS.items():
        if any(fnmatchcase(page, pattern) for pattern in patterns):
            return kind
    raise NoPlace(page)


def children_of(parent: str, pages: Collection[str]) -> list[str]:
    """The pages below a README, in the order of their names; READMEs of folders last."""
    below = [page for page in pages if parent_of(page, pages) == parent]
    return sorted(below, key=lambda page: (page.endswith("/README"), page))


def pages_by_kind(pages: Collection[str]) -> dict[str, list[str]]:
    """Kind → its pages at the top, in the order of the patterns and then of their names. Raises NoPlace."""
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for page in sorted(pages):
        if page != ROOT_PAGE and parent_of(page, pages) is None:
            found[kind_of(page)].append(page)
    return {
        kind: sorted(of_kind, key=lambda page, kind=kind: (_place(page, KINDS[kind]), page))
        for kind, of_kind in found.items()
        if of_kind
    }


def _place(page: str, patterns: tuple[str, ...]) -> int:
    return next(place for place, pattern in enumerate(patterns) if fnmatchcase(page, pattern))


def toctrees(page: str, pages: Collection[str]) -> str:
    """The navigation below a page, in the markup of MyST; empty if no page is below it."""
    if page == ROOT_PAGE:
        return "".join(_toctree(below, kind) for kind, below in pages_by_kind(pages).items())
    below = children_of(page, pages)
    return _toctree(below) if below else ""


def _toctree(pages: Collection[str], caption: str | None = None) -> str:
    options = [":hidden:", *([f":caption: {caption!r}"] if caption else [])]
    entries = [f"/{page}" for page in pages]
    return "\n\n" + "\n".join(["```{toctree}", *options, "", *entries, "```"]) + "\n"


def add_navigation(app: Any, page: str, source: list[str]) -> None:
    """Sphinx reads a page: append the navigation below it."""
    source[0] += toctrees(page, app.env.found_docs)


def setup(app: Any) -> dict[str, bool]:
    """Sphinx loads this module as an extension."""
    app.connect("source-read", add_navigation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
