"""Links to folders of the repository. A site has no page for a folder, so the reader sees the text without a link.

Links to files that are no pages need nothing of this: MyST makes them downloads. All other links stay broken.
"""

from pathlib import Path
from typing import Any

from docutils import nodes


def text_of_folder(app: Any, env: Any, node: Any, text: Any) -> Any:
    """Sphinx found no page for a link: the text if it leads to a folder that exists, and otherwise None."""
    page = Path(env.doc2path(node.get("refdoc", "")))
    target = str(node.get("reftarget", ""))
    if not target or "#" in target or not (page.parent / target).is_dir():
        return None
    return nodes.inline("", "", text, classes=["folder"])


def setup(app: Any) -> dict[str, bool]:
    """Sphinx loads this module as an extension."""
    app.connect("missing-reference", text_of_folder)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
