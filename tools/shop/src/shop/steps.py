"""The progress of long work: a bar on a terminal, and one line per step in a log."""

from __future__ import annotations

from datetime import timedelta
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


class Steps(Progress):
    """rich's progress with the columns of this command. `position` is the column that shows the progress of a task."""

    def __init__(self, console: Console, position: ProgressColumn | None = None) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
        super().__init__(*columns, position or MofNCompleteColumn(), TimeElapsedColumn(), console=console)

    def update(self, task_id: TaskID, *, description: str | None = None, **more: Any) -> None:
        """Update a task as rich does. If there is no terminal, a new description is also printed as a line."""
        (task,) = (task for task in self.tasks if task.id == task_id)
        new = description not in (None, task.description)
        super().update(task_id, description=description, **more)
        if new and not self.console.is_terminal:
            took = timedelta(seconds=int(task.elapsed or 0))
            share = "" if task.total is None else f"{task.percentage:3.0f} % "
            self.console.print(f"{took} {share}{description}", markup=False, highlight=False)
