"""How far long work is: a bar on a terminal, and lines in a log, which would else say nothing for an hour."""

from __future__ import annotations

from datetime import timedelta
from math import inf
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

LINE_SECONDS = 10.0
"""Where there is no terminal, at least so long lies between two lines."""


class Steps(Progress):
    """rich's progress with our columns; `far` says in its own way how far a task is."""

    def __init__(self, console: Console, far: ProgressColumn | None = None) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
        super().__init__(*columns, far or MofNCompleteColumn(), TimeElapsedColumn(), console=console)
        self._said_at = -inf

    def update(self, task_id: TaskID, *, description: str | None = None, **more: Any) -> None:
        """As rich's own; and tells of a new description by a line, where nobody sees the bar."""
        super().update(task_id, description=description, **more)
        if description and not self.console.is_terminal and self.get_time() >= self._said_at + LINE_SECONDS:
            self._said_at = self.get_time()
            (task,) = (task for task in self.tasks if task.id == task_id)
            took = timedelta(seconds=int(task.elapsed or 0))
            self.console.print(
                f"{took} {task.percentage:3.0f} % {description}", markup=False, highlight=False
            )
