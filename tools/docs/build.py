"""Builds the site of the documents: `python tools/docs/build.py [SOURCE] [SITE]`, in the environment of `make docs`.

SOURCE is the folder of the pages; the default is the repository. SITE is the folder of the site; the default is
`.shop/site`. Everything in SITE is deleted first. A warning fails the build: a broken link or anchor, a page in no
navigation, a diagram that cannot be drawn.
"""

import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import main as sphinx_build

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FIRST_PAGE = '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=README.html">\n'


def build(source: Path, site: Path) -> int:
    """Build a site. Returns 0, or another number if there is a fault; Sphinx has then printed it."""
    shutil.rmtree(site, ignore_errors=True)
    # Sphinx does not check a page again that it has in its cache. So each build reads all pages again (--fresh-env).
    options = ["--quiet", "--fail-on-warning", "--fresh-env", "--jobs", "auto"]
    folders = ["-c", str(HERE), "-d", str(site.with_name(f"{site.name}-pages"))]
    failed: int = sphinx_build([*options, *folders, str(source), str(site)])
    if not failed:
        (site / "index.html").write_text(FIRST_PAGE, encoding="utf-8")
    return failed


def main() -> int:
    """Build the site that the command line names. Returns the exit code."""
    source = Path(sys.argv[1]).resolve() if sys.argv[1:] else ROOT
    site = Path(sys.argv[2]).resolve() if sys.argv[2:] else ROOT / ".shop" / "site"
    failed = build(source, site)
    if not failed:
        print(site / "index.html")
    return failed


if __name__ == "__main__":
    sys.exit(main())
