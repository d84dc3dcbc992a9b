"""The site of the documents is built without a network, and a fault in a page fails the build."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".shop" / "docs" / "environment" / "bin" / "python"
PAGES = {
    "README.md": "# Start\n\nSee [the page](docs/start/page.md#a-part-of-it), [the rules](LICENSE), [all](docs/).\n",
    "LICENSE": "Take it.\n",
    "docs/README.md": "# Documents\n",
    "docs/glossary.md": "# Glossary\n\n```mermaid\nflowchart LR\n    shop --> customer\n```\n",
    "docs/labs/README.md": "# Labs\n",
    "docs/labs/first.md": "# First\n\nBack to [the labs](README.md).\n",
    "docs/start/page.md": "# Page\n\n## A part of it\n",
}
FAULTS = {
    "gone.md": "[no page](gone.md)",
    "../services/": "[no folder](../services/)",
    "gone.txt": "[no file](gone.txt)",
    "'gone-part'": "[no part of another page](start/page.md#gone-part)",
    "'gone-here'": "[no part of this page](#gone-here)",
    "gone.svg": "![no picture](gone.svg)",
    "the diagram cannot be drawn": "```mermaid\nflowchart LR\n    shop --> [\n```",
}
"""What the build must say → a fault in a page."""
ELSEWHERE = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//""")
"""An element that a browser loads from another host."""


@pytest.fixture(scope="module", autouse=True)
def _environment() -> None:
    """`make docs` builds the site in an environment of its own."""
    variables = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS")}
    subprocess.run(["make", "--silent", "docs-environment"], cwd=ROOT, env=variables, check=True)


def build(folder: Path, pages: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Build a site of these pages into `site` of a folder."""
    for name, text in pages.items():
        path = folder / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    command = [str(PYTHON), "tools/docs/build.py", str(folder / "source"), str(folder / "site")]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_site_has_every_page_in_its_navigation_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    built = build(tmp_path, PAGES)
    assert (built.returncode, built.stderr) == (0, "")
    site = tmp_path / "site"
    html = {path.relative_to(site).as_posix(): path.read_text() for path in site.rglob("*.html")}
    first = html["README.html"]
    for link in (
        "docs/start/page.html",
        "docs/labs/README.html",
        "docs/labs/first.html",
        "docs/glossary.html",
    ):
        assert f'href="{link}"' in first, f"{link} is not in the navigation"
    assert 'href="docs/start/page.html#a-part-of-it"' in first
    assert "<svg" in html["docs/glossary.html"]
    assert "url=README.html" in html["index.html"]
    assert [name for name, text in html.items() if ELSEWHERE.search(text)] == []


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> "subprocess.CompletedProcess[str]":
    """The build of a site whose glossary has every fault of FAULTS."""
    glossary = "# Glossary\n\n" + "\n\n".join(FAULTS.values()) + "\n"
    return build(tmp_path_factory.mktemp("faulty"), {**PAGES, "docs/glossary.md": glossary})


@pytest.mark.parametrize("complaint", FAULTS)
def test_a_fault_in_a_page_fails_the_build(
    faulty: "subprocess.CompletedProcess[str]", complaint: str
) -> None:
    assert faulty.returncode != 0
    warnings = [line for line in faulty.stderr.splitlines() if "docs/glossary.md:" in line]
    assert [line for line in warnings if complaint in line] != [], faulty.stderr


def test_a_page_that_is_in_no_navigation_fails_the_build(tmp_path: Path) -> None:
    built = build(tmp_path, {**PAGES, "docs/essay.md": "# Essay\n"})
    assert built.returncode != 0
    assert "docs/essay.md is in no navigation" in built.stderr
    assert not (tmp_path / "site" / "index.html").exists()


def test_elements_that_load_from_another_host_are_seen() -> None:
    loading = (
        '<script src="https://' + 'cdn.example/mermaid.js">',
        '<link rel="x" href="//fonts.example/a.css">',
    )
    for element in loading:
        assert ELSEWHERE.search(element)
    assert not ELSEWHERE.search('<a href="https://' + 'example.org/">elsewhere</a> <img src="a.svg">')
