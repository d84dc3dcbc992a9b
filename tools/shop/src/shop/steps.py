"""How far long work is: a bar on a terminal, and lines in a log, which would else say nothing for an hour."""

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
    """rich's progress with our columns; `far` says in its own way how far a task is."""

    def __init__(self, console: Console, far: ProgressColumn | None = None) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
        super().__init__(*columns, far or MofNCompleteColumn(), TimeElapsedColumn(), console=console)

    def update(self, task_id: TaskID, *, description: str | None = None, **more: Any) -> None:
        """As rich's own; and tells of a new description by a line, where nobody sees the bar."""
        (task,) = (task for task in self.tasks if task.id == task_id)
        new = description not in (None, task.description)
        super().update(task_id, description=description, **more)
        if new and not self.console.is_terminal:
            took = timedelta(seconds=int(task.elapsed or 0))
            far = "" if task.total is None else f"{task.percentage:3.0f} % "
            self.console.print(f"{took} {far}{description}", markup=False, highlight=False)
