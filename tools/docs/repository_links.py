"""Links to folders of the repository. A site has no page for a folder, so the reader sees the text without a link.

Such a link ends with a slash. Links to files that are no pages need nothing of this: MyST makes them downloads.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes


def unlink_folders(app: Any, document: Any) -> None:
    """Replace each link of a page that leads to an existing folder by its text. All others are left to be checked."""
    folder = Path(document["source"]).parent
    for link in list(document.findall(addnodes.pending_xref)):
        target = link["reftarget"]
        if target.endswith("/") and (folder / target).is_dir():
            link.replace_self(nodes.inline("", "", *link.children))


def setup(app: Any) -> dict[str, bool]:
    """Sphinx loads this module as an extension."""
    app.connect("doctree-read", unlink_folders)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
