"""The verdict on one experiment: holds, violated, vacuous, or not run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from shop_chaos.catalogue import Experiment, Fault
from shop_chaos.run_record import RunRecord
from shop_lab.values import Value, limit
from shop_oracle.report import Verdict

Ruling = Literal["holds", "violated", "vacuous", "not run"]


@dataclass(frozen=True, slots=True)
class Must:
    """A count that shows that a fault had an effect, and its least value."""

    fault: str
    name: str
    value: int
    least: int

    @property
    def holds(self) -> bool:
        """Whether the fault was seen to bite."""
        return self.value >= self.least

    @property
    def sentence(self) -> str:
        """The count, for people."""
        return f"{self.fault}: {self.value} {self.name}, at least {self.least} must be seen"


@dataclass(frozen=True)
class Result:
    """An experiment's verdict with its reasons."""

    experiment: str
    title: str
    ruling: Ruling
    expected: str = "holds"
    reasons: Sequence[str] = ()
    """Why it does not hold, one sentence each."""
    musts: Sequence[Must] = ()
    looks: Mapping[str, int] = field(default_factory=dict)
    """Invariant that holds at every moment → how many looks judged it while the experiment lasted."""
    orders: int = 0
    recovery_seconds: float | None = None
    """Seconds from the end of the last fault until the shop was at rest."""
    seconds: float = 0.0
    numbers: Sequence[Value] = ()
    """Measured numbers with their limits."""
    configuration: Mapping[str, Any] = field(default_factory=dict)
    """The values of its configuration, such as a seed."""
    oracle: Mapping[str, Any] | None = None
    """The nine invariants at rest; None if they were not judged."""

    @property
    def is_green(self) -> bool:
        """Whether the verdict is the expected one. A planted violation that is not seen is not green."""
        return self.ruling == self.expected

    def as_json(self) -> dict[str, Any]:
        """The result as JSON."""
        return {
            "experiment": self.experiment,
            "title": self.title,
            "ruling": self.ruling,
            "expected": self.expected,
            "green": self.is_green,
            "reasons": list(self.reasons),
            "seen": [
                {"fault": must.fault, "name": must.name, "value": must.value, "least": must.least}
                for must in self.musts
            ],
            "looks": dict(self.looks),
            "orders": self.orders,
            "recovery_seconds": self.recovery_seconds,
            "seconds": self.seconds,
            "numbers": [{**asdict(number), "holds": number.holds} for number in self.numbers],
            "configuration": dict(self.configuration),
            "oracle": self.oracle,
        }


def musts_of(must_be_seen: Mapping[str, Mapping[str, int]], record: RunRecord) -> list[Must]:
    """Each count that must be seen. `must_be_seen` has fault → name → least value for each injection."""
    return [
        Must(fault, name, record.count(fault, name), least * max(1, record.injected[fault]))
        for fault, counts in must_be_seen.items()
        for name, least in counts.items()
    ]


def reasons_of(record: RunRecord, troubles: Sequence[str], oracle: Verdict | None) -> list[str]:
    """Why an invariant, a number or an activity is not as it must be; [] if all are."""
    reasons = [f"while it lasted: {each}" for each in record.violations]
    reasons += troubles
    for outcome in record.outcomes:
        reasons += [number_of(value) for value in outcome.values if not value.holds]
    if oracle is not None:
        reasons += [f"not at rest: {each}" for each in oracle.unrest]
        reasons += [
            f"invariant {ruling.number}: {each.subject}: expected {each.expected}; found {each.found}"
            for ruling in oracle.rulings
            for each in ruling.judgement.violations
        ]
    return reasons


def unseen_in(record: RunRecord, musts: Sequence[Must], *, watched: bool) -> list[str]:
    """Why a run proves nothing; [] if each fault was seen to bite."""
    unseen = [must.sentence for must in musts if not must.holds]
    unseen += [number_of(each) for outcome in record.outcomes for each in outcome.seen if not each.holds]
    if not record.injected and not record.outcomes:
        unseen.append("no fault was injected")
    if watched and not record.looks["all"]:
        unseen.append("no look at the invariants was made while it lasted")
    return unseen


def number_of(value: Value) -> str:
    """A measured number with its limit, for people."""
    return f"{value.name}: {value.value:g} {value.unit}, must be {limit(value, value.must)}"


def ruling_of(reasons: Sequence[str], unseen: Sequence[str]) -> Ruling:
    """A violation counts also if the fault was not seen to bite; without one the run may be vacuous."""
    if reasons:
        return "violated"
    return "vacuous" if unseen else "holds"


def no_injection(fault: Fault) -> Result:
    """The result of a fault that no experiment injects yet. It is never green."""
    lacks = f"needs {', '.join(fault.needs)}" if fault.needs else "has no experiment"
    return Result(fault.id, fault.what, "not run", "holds", [lacks])


def not_run(experiment: Experiment, reason: str) -> Result:
    """The result of an experiment that cannot be carried out here. It is never green."""
    return Result(experiment.name, experiment.title, "not run", experiment.expected, [reason])
