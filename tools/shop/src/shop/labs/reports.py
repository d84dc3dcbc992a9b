"""The verdicts of experiments and drills that were written since the start of a lab."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shop_stack.paths import state_folder

FOLDER = "report"
"""The folder of the reports, in the folder of the stack."""
EXPERIMENTS = "chaos.json"
DRILL = "drill.json"


@dataclass(frozen=True, slots=True)
class Reports:
    """Verdicts in words."""

    experiments: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Folder of a report → the verdicts in it. The folder is relative to that of the reports."""
    drill: str = ""
    """The verdict of the last drill; empty if there is none."""


def read_reports(at: float) -> Reports:
    """The verdicts since a time, in seconds since 1970."""
    folder = state_folder() / FOLDER
    experiments = {
        file.parent.relative_to(folder).as_posix(): [str(one["ruling"]) for one in found]
        for file in folder.rglob(EXPERIMENTS)
        if (found := _read(file, at))
    }
    drill = _read(folder / DRILL, at) or {}
    return Reports(experiments, str(drill.get("ruling", "")))


def _read(file: Path, at: float) -> Any:
    """The content of a JSON file; None if it is older, damaged, or not there."""
    try:
        return json.loads(file.read_text()) if file.stat().st_mtime >= at else None
    except (OSError, ValueError):
        return None
