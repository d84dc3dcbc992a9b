"""How far a move has come: the file `emancipation.json` of a shop's folder. It exists while a move is unfinished."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shop_stack.errors import UserError
from shop_stack.passwords import write_private
from shop_stack.shapes import Shape

FILE = "emancipation.json"
KEEPER = "socket-keeper"
"""The name of the process that keeps listening sockets during a move (`shop_stack.socket_keeper`)."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point that both transports know: all rows that are visible in the snapshot are before the ends in Kafka."""

    snapshot: str
    ends: Mapping[str, int]
    """`topic/partition` → the offset of the next record."""


@dataclass(slots=True)
class Journal:
    """An unfinished move of one module from the shape `before` to the shape `after`."""

    module: str
    before: Shape
    after: Shape
    done: list[str] = field(default_factory=list)
    """The steps that are done, in their order."""
    marks: list[Mark] = field(default_factory=list)
    is_undone: bool = False
    """Whether the steps are being undone."""
    frozen_at: float = 0.0
    """When requests began to wait (seconds since 1970); 0 before that."""
    waited: float | None = 0.0
    """Seconds for which requests have waited; None if an interruption hides it."""
    sent: int = 0
    """Events that were sent to Kafka in the place of relays."""
    copied: int = 0
    """Rows that were copied."""
    is_opening: bool = False
    """Whether a command has begun to give the sockets to the new processes."""

    @property
    def is_back(self) -> bool:
        """Whether the module goes back into the monolith."""
        return not self.after.has_kafka

    @property
    def command(self) -> str:
        """The command that finishes the move."""
        return f"shop emancipate {self.module}" + (" --back" if self.is_back else "")

    @property
    def opposite_command(self) -> str:
        """The command that undoes the move."""
        return f"shop emancipate {self.module}" + ("" if self.is_back else " --back")

    @property
    def sentence(self) -> str:
        """That the move is unfinished, and what to do."""
        finish, undo = f"`{self.command}`", f"`{self.opposite_command}`"
        return f"The move of {self.module} is unfinished: {finish} finishes it, {undo} undoes it."


def read(state: Path) -> Journal | None:
    """The unfinished move of a shop; None if there is none. Raises UserError if the file is damaged."""
    file = state / FILE
    try:
        facts = json.loads(file.read_text())
        return Journal(
            **{
                **facts,
                "before": Shape.of_facts(facts["before"]),
                "after": Shape.of_facts(facts["after"]),
                "marks": [Mark(**mark) for mark in facts["marks"]],
            }
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UserError):
        raise UserError(
            f"{file} cannot be read, and says how far a module was moved: put it back as it was. "
            "(`shop down --wipe` begins anew and deletes all orders.)"
        ) from None


def write(state: Path, journal: Journal) -> None:
    """Record how far the move has come."""
    write_private(
        state / FILE,
        {
            "module": journal.module,
            "before": journal.before.facts,
            "after": journal.after.facts,
            "done": journal.done,
            "marks": [{"snapshot": mark.snapshot, "ends": dict(mark.ends)} for mark in journal.marks],
            "is_undone": journal.is_undone,
            "frozen_at": journal.frozen_at,
            "is_opening": journal.is_opening,
            "waited": journal.waited,
            "sent": journal.sent,
            "copied": journal.copied,
        },
    )


def forget(state: Path) -> None:
    """Delete the file: no move is unfinished."""
    (state / FILE).unlink(missing_ok=True)


def require_none(state: Path) -> None:
    """Raise UserError if a move is unfinished: the data may be between two shapes."""
    if (journal := read(state)) is not None:
        raise UserError(journal.sentence)
