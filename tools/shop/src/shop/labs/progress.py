"""Which labs were started and passed: a file for each, in the folder of the stack."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from shop.labs.evidence import Start
from shop.labs.pages import Lab
from shop_stack.errors import UserError
from shop_stack.paths import make_private, state_folder


@dataclass(frozen=True, slots=True)
class Progress:
    """A lab that was started. `passed` is the time at which its check succeeded, in ISO 8601; empty if it did not."""

    start: Start
    passed: str = ""


def load(lab: Lab) -> Progress | None:
    """The progress of a lab; None if it was not started. Raises UserError if its file is damaged."""
    file = _file(lab)
    try:
        facts = json.loads(file.read_text())
        start = Start(float(facts["at"]), dict(facts["parts"]), str(facts["commit"]))
        return Progress(start, str(facts["passed"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{file} is damaged: start the lab anew with `shop lab start {lab.name}`.") from None


def save(lab: Lab, progress: Progress) -> None:
    """Keep the progress of a lab."""
    make_private(state_folder())
    file = _file(lab)
    file.parent.mkdir(parents=True, exist_ok=True)
    start = progress.start
    facts = {"at": start.at, "parts": dict(start.parts), "commit": start.commit, "passed": progress.passed}
    file.write_text(json.dumps(facts, indent=2))


def save_passed(lab: Lab, progress: Progress) -> None:
    """Keep that the check of a lab has succeeded now."""
    save(lab, replace(progress, passed=datetime.now(UTC).isoformat(timespec="seconds")))


def _file(lab: Lab) -> Path:
    return state_folder() / "labs" / f"{lab.name.replace('/', '--')}.json"
