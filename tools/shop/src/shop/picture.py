"""Writes the output of a command as an SVG picture."""

from __future__ import annotations

import inspect
import io
import re
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

WIDTH = 116
"""Characters per line of the picture."""

FONT_FACES = re.compile(r"\s*@font-face \{\{.*?^\s*\}\}$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"\s*<!--.*?-->", re.DOTALL)


def save_picture(file: Path, command: str, tell: Callable[[Console], None]) -> None:
    """Write an SVG file: a line with `command`, and below it the output of `tell`."""
    console = Console(
        record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(f"$ {command}", style="bold", highlight=False)
    tell(console)
    picture = console.export_svg(title="Shopfloor", code_format=plain_format(), unique_id="shop")
    file.parent.mkdir(parents=True, exist_ok=True)
    # The repository's checks do not allow blanks at the ends of lines.
    file.write_text("\n".join(line.rstrip() for line in picture.splitlines()) + "\n")


def plain_format() -> str:
    """rich's SVG format without its fonts: the picture loads nothing, and the reader's own font is used."""
    return COMMENT.sub("", FONT_FACES.sub("", rich_format()))


def rich_format() -> str:
    """The format that rich uses by default."""
    default: str = inspect.signature(Console.export_svg).parameters["code_format"].default
    return default
