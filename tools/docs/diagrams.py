"""Draws Mermaid diagrams as SVG when the site is built. So a page loads no script and needs no network.

A diagram that Mermaid cannot read is a warning, and the build fails.
"""

import hashlib
from pathlib import Path
from typing import Any

import mermaidx
from docutils import nodes
from sphinx.util import logging

log = logging.getLogger(__name__)

MERMAIDS_ID = "my-svg"
"""The id that mermaidx gives to every SVG element. It is also the prefix of all ids inside of the element."""


def svg_of(source: str, folder: Path) -> str:
    """The SVG of a diagram. It is cached in `folder`, by the hash of its source and of the renderer's version."""
    key = hashlib.sha256(f"{mermaidx.__version__}\n{source}".encode()).hexdigest()[:12]
    file = folder / f"{key}.svg"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(render(source, f"diagram-{key}"), encoding="utf-8")
    return file.read_text(encoding="utf-8")


def render(source: str, name: str) -> str:
    """Draw a diagram. `name` becomes the id of its SVG element, because the ids of a page's diagrams must differ.

    Raises an error of mermaidx if Mermaid cannot read the source.
    """
    svg: str = mermaidx.render(source).svg()
    return svg.replace(MERMAIDS_ID, name)


def draw(app: Any, document: Any) -> None:
    """Replace each block of Mermaid in a page by its picture."""
    folder = Path(app.confdir).parents[1] / ".shop" / "docs" / "diagrams"
    for block in list(document.findall(nodes.literal_block)):
        if block.get("language") != "mermaid":
            continue
        try:
            svg = svg_of(block.astext(), folder)
        except Exception as error:
            log.warning("the diagram cannot be drawn: %s", error, location=block)
            continue
        figure = f'<figure class="diagram">{svg}</figure>'
        block.replace_self(nodes.raw("", figure, format="html"))


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx to load this module as an extension."""
    app.connect("doctree-read", draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
