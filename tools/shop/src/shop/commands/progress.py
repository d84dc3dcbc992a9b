"""Shows what happens to each part while a stack starts or stops."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from shop.output import OutputClosed

ENDINGS = ("ready", "runs", "stopped")


class Progress:
    """A table that is updated on a terminal. Without a terminal, one line for each part that is finished."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._happenings: dict[str, str] = {}
        self._closed: OutputClosed | None = None
        self._live = Live(console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def report(self, part: str, happening: str) -> None:
        """A `shop_stack.embedded.Report`. If the output is closed, the work that it reports continues."""
        self._happenings[part] = happening
        try:
            if self._console.is_terminal:
                self._live.update(self._table())
            elif happening.startswith(ENDINGS):
                self._console.print(f"{part:14} {happening}", highlight=False)
        except OutputClosed as closed:
            self._closed = closed

    def require_a_reader(self) -> None:
        """Raise OutputClosed if the output was closed in the meantime."""
        if self._closed is not None:
            raise self._closed

    def _table(self) -> Table:
        table = Table(box=None, show_header=False, pad_edge=False)
        for part, happening in self._happenings.items():
            ended = happening.startswith(ENDINGS)
            table.add_row("[green]●[/]" if ended else "[yellow]○[/]", part, happening)
        return table
