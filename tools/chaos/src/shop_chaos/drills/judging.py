"""The verdict on a drill: by the diagnosis, the orders, the cents, and what the cure has left whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from shop_chaos.drills import marks
from shop_chaos.drills.record import Drill, Watched
from shop_oracle.evidence import Evidence

CURED = "cured"
NOT_CURED = "not cured"
DESTROYED = "destroyed"
VACUOUS = "vacuous"


@dataclass(frozen=True)
class Money:
    """The orders since the start of a drill, and their money in cents."""

    orders: Mapping[str, int]
    """State → how many orders."""
    charged: int
    refunded: int

    @property
    def sentence(self) -> str:
        """Both, for people."""
        states = ", ".join(f"{count} {state}" for state, count in sorted(self.orders.items())) or "none"
        paid = f"{self.charged / 100:,.2f} EUR charged, {self.refunded / 100:,.2f} EUR refunded"
        return f"{sum(self.orders.values())} orders meanwhile: {states}; {paid}"


@dataclass(frozen=True)
class State:
    """The shop at an answer."""

    is_in_force: bool
    parts_away: Sequence[str]
    """Parts that do not run."""
    restarted: Sequence[str]
    lost: Sequence[str]
    """Data that is gone, one sentence each."""
    complaint: str
    """Why the oracle's verdict does not hold; empty if it does."""


@dataclass(frozen=True)
class Judgement:
    """The result of an answer whose diagnosis is right."""

    ruling: str
    reasons: Sequence[str]
    part: str
    cause: str
    seconds: Mapping[str, float | None]
    """To detect, to diagnose, to cure; None if it is not known."""
    wrong_answers: int
    hints: int
    restarted: Sequence[str]
    money: Money | None
    """None if the orders and the ledger were not read."""

    @property
    def is_final(self) -> bool:
        """Whether the drill ends with it. What is not cured yet can still be cured."""
        return self.ruling != NOT_CURED

    def as_json(self) -> dict[str, Any]:
        """The verdict for programs."""
        return asdict(self)


def judge(drill: Drill, watched: Watched, looked: float, state: State, money: Money | None) -> Judgement:
    """Judge a drill whose fault was named. `looked` is the time of the first diagnostic command, or 0."""
    ruling, reasons = _ruling(drill, watched, state)
    return Judgement(
        ruling,
        reasons,
        drill.fault.part,
        drill.fault.cause,
        {
            "detect": _since(drill, min(filter(None, (looked, drill.diagnosed)), default=0.0)),
            "diagnose": _since(drill, drill.diagnosed),
            "cure": None if state.is_in_force else _since(drill, watched.cured),
        },
        drill.wrong_answers,
        drill.hints,
        state.restarted,
        money,
    )


def _ruling(drill: Drill, watched: Watched, state: State) -> tuple[str, list[str]]:
    fault = drill.fault
    too_many = marks.excess(state.restarted, fault.part)
    destroyed = [*state.lost, *([too_many] if too_many else [])]
    if destroyed:
        return DESTROYED, destroyed
    open_ = [f"The fault is still in force: {fault.sentence}."] if state.is_in_force else []
    open_ += [f"{part} does not run." for part in state.parts_away if part != fault.part]
    open_ += [state.complaint] if state.complaint else []
    if open_:
        return NOT_CURED, open_
    if not watched.bit:
        return VACUOUS, ["The fault was undone before it had an effect, so the drill proves nothing."]
    return CURED, []


def _since(drill: Drill, time: float) -> float | None:
    return round(time - drill.began, 1) if time else None


def money_of(evidence: Evidence, since: float) -> Money:
    """The orders that were placed since a time, and their charges and refunds."""
    orders = {order.id: order for order in evidence.orders.values() if order.placed_at.timestamp() >= since}
    sums: Counter[str] = Counter()
    for movement in evidence.ledger:
        if movement.reference in orders:
            sums[movement.kind] += movement.amount_minor
    states = Counter(order.state for order in orders.values())
    return Money(dict(states), sums["charge"], sums["refund"])
