"""The result of one invariant."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Violation:
    """One contradiction between the evidence and an invariant."""

    subject: str
    """Such as ``order 0198…`` or ``sku MUG``."""
    expected: str
    found: str


@dataclass(slots=True)
class Judgement:
    """The result of one invariant."""

    judged: str
    """How much was checked, such as ``300 orders``."""
    violations: list[Violation] = field(default_factory=list)
    unjudged: str = ""
    """Why the invariant, or a part of it, could not be judged; empty if all of it was."""

    def expect(self, holds: bool, subject: str, expected: object, found: object) -> None:
        """Add a violation unless `holds`."""
        if not holds:
            self.violated(subject, expected, found)

    def violated(self, subject: str, expected: object, found: object) -> None:
        self.violations.append(Violation(subject, str(expected), str(found)))
