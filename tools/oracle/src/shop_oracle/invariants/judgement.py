"""What came of one invariant."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is not as it must be."""

    subject: str
    """Such as ``order 0198…`` or ``sku MUG``."""
    expected: str
    found: str


@dataclass(slots=True)
class Judgement:
    """What came of one invariant."""

    judged: str
    """How much was looked at, such as ``300 orders``."""
    violations: list[Violation] = field(default_factory=list)
    unjudged: str = ""
    """Why it, or a part of it, could not be judged."""

    def expect(self, holds: bool, subject: str, expected: object, found: object) -> None:
        """Note a violation unless it holds."""
        if not holds:
            self.violated(subject, expected, found)

    def violated(self, subject: str, expected: object, found: object) -> None:
        self.violations.append(Violation(subject, str(expected), str(found)))
