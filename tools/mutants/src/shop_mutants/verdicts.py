"""The verdict on a mutant, from the results of its tests with and without its patch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shop_mutants.catalogue import Mutant
from shop_mutants.testing import Results


class Verdict(StrEnum):
    """What became of a mutant. Only CAUGHT is green."""

    CAUGHT = "caught"
    """Each named test passes without the patch, and fails with it, by an error that contains the message."""
    SURVIVED = "survived"
    """A named test passes with the patch: nothing notices that the pattern is missing."""
    VACUOUS = "vacuous"
    """The run proves nothing: the patch does not apply, a test fails without it, or fails for another reason."""


@dataclass(frozen=True)
class Judgement:
    """A mutant with its verdict. `why` is empty if it was caught. `seconds` is the time of its run."""

    mutant: Mutant
    verdict: Verdict
    why: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The judgement for programs."""
        return {
            **self.mutant.as_json(),
            "verdict": self.verdict,
            "why": self.why,
            "seconds": round(self.seconds, 1),
        }


def fault_without_patch(mutant: Mutant, results: Results) -> str | None:
    """Why the tests of a mutant prove nothing in the tree as it is. None if each of them passes."""
    if results.problem:
        return f"without the patch: {results.problem}"
    for node in mutant.caught_by:
        found = results.of(node)
        if not found:
            return f"there is no test {node}"
        for one in found:
            if one.outcome != "passed":
                return f"without the patch, {node}: {one.outcome} {first_line(one.message)}".rstrip()
    return None


def judged(mutant: Mutant, results: Results) -> tuple[Verdict, str]:
    """The verdict, and why. A test with parameters must fail for one of them."""
    if results.problem:
        return Verdict.VACUOUS, f"with the patch: {results.problem}"
    for node in mutant.caught_by:
        found = results.of(node)
        if found and all(one.outcome == "passed" for one in found):
            return Verdict.SURVIVED, f"{node} passes with the patch"
        if not any(one.outcome == "failed" and re.search(mutant.message, one.message) for one in found):
            others = [f"{one.outcome} {first_line(one.message)}" for one in found if one.outcome != "passed"]
            return Verdict.VACUOUS, f"{node} fails for another reason: {others[0] if others else 'not found'}"
    return Verdict.CAUGHT, ""


def first_line(text: str) -> str:
    """The first line of an error, cut to the width of a sentence."""
    return text.strip().split("\n")[0][:200]
