"""Replaces links to folders of the repository by their text: the site has no page for a folder.

Such a link ends with a slash. Links to files that are not pages need no treatment: MyST makes them downloads.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes


def unlink_folders(app: Any, document: Any) -> None:
    """Replace each link of a page to an existing folder by its text. Sphinx checks all other links."""
    folder = Path(document["source"]).parent
    for link in list(document.findall(addnodes.pending_xref)):
        target = link["reftarget"]
        if target.endswith("/") and (folder / target).is_dir():
            link.replace_self(nodes.inline("", "", *link.children))


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx to load this module as an extension."""
    app.connect("doctree-read", unlink_folders)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
