"""`shop fuzz events`: ordinary orders alone, then ordinary orders and mutants, then the verdict."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from shop_lab import trial
from shop_lab.experiments import foreign_orders, foreign_signs
from shop_lab.experiments.experiment import REST_SECONDS
from shop_lab.experiments.foreign_inputs.batches import RawProducer
from shop_lab.experiments.foreign_orders import Ordinary
from shop_lab.experiments.outcome import Outcome, at_least, at_most
from shop_lab.fuzz.judging import key_of, of_other_keys, published
from shop_lab.fuzz.mutants import Contracts, Spec, make, read_contracts, simpler
from shop_lab.fuzz.readers import Rules
from shop_lab.fuzz.sending import Sender
from shop_lab.fuzz.sorting import Finding, Sent, Sorted, sort
from shop_lab.fuzz.traces import traces_of
from shop_lab.fuzz.verdict import Fuzzed
from shop_lab.testbed import Testbed
from shop_lab.values import Value
from shop_oracle.gather import gather
from shop_oracle.report import Verdict, judge
from shop_stack.ports import SERVICES

WARM_UP_ORDERS = 300
REFERENCE_SECONDS = 60.0
SLOWER = 1.5
ENOUGH_ORDERS = 500
"""With so many orders a p99 says something."""
PATIENCE_SECONDS = 120.0
"""Seconds without progress after which the readers are no longer waited for."""
LOOK_SECONDS = 1.0
SHRUNK = 3
"""Kinds of findings that are made simpler."""

Tell = Callable[[str], None]
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Plan:
    """What is sent, and how fast. Rates are per second."""

    count: int
    seed: int
    rate: float
    orders_rate: float
    only: Sequence[Spec] = ()
    """These mutants alone, without orders."""

    @property
    def specs(self) -> Sequence[Spec]:
        return self.only or [Spec(self.seed, number) for number in range(self.count)]


@dataclass(frozen=True)
class Seen:
    """All results of a run."""

    sorted: Sorted
    sent: int
    seconds: float
    """How long the sending took."""
    behind: int
    """Records that a reader has not passed."""
    restarts: int
    """Consumers that were started again."""
    ended: Sequence[str]
    """Services whose process is another one."""
    reference: Ordinary | None = None
    ordinary: Ordinary | None = None


@dataclass
class Run:
    """A run on a testbed."""

    testbed: Testbed
    plan: Plan
    tell: Tell
    progress: Progress

    async def carry_out(self) -> Fuzzed:
        """Send all mutants, and judge. Raises UserError if the shop itself does not work."""
        folder = self.testbed.target.contracts
        contracts, rules = read_contracts(folder), Rules(folder)
        reference = None if self.plan.only else await self._alone()
        since = await foreign_signs.beginning(self.testbed)
        async with RawProducer(self.testbed.kafka, list(contracts.topics)) as producer:
            sender = Sender(contracts, rules, producer)
            began = time.monotonic()
            sent, ordinary = await self._loaded(sender)
            seconds = time.monotonic() - began
            behind = await self._passed(contracts, sent)
            found = sort(sent, await traces_of(self.testbed))
            simplified = await self._simplify(sender, found)
        seen = Seen(
            found,
            len(sent),
            seconds,
            behind,
            sum(tasks["consumer"] for tasks in foreign_signs.restarts_of(self.testbed, since).values()),
            foreign_signs.ended_processes(self.testbed, since),
            reference,
            ordinary,
        )
        self.tell("judging")
        evidence = await gather(self.testbed.target, REST_SECONDS, self.tell)
        mutants = [*sent, *simplified]
        found.findings += published(evidence.log.entries, mutants)
        return fuzzed(seen, of_other_keys(judge(evidence), {key_of(one) for one in mutants}))

    async def _alone(self) -> Ordinary:
        rate = self.plan.orders_rate
        self.tell("warming up")
        await trial.place(self.testbed, WARM_UP_ORDERS, rate)
        self.tell(f"{rate:g} orders a second alone")
        placed = await foreign_orders.place(self.testbed, rate, REFERENCE_SECONDS)
        return await foreign_orders.settled(self.testbed, placed)

    async def _loaded(self, sender: Sender) -> tuple[list[Sent], Ordinary | None]:
        plan = self.plan
        if plan.only:
            return await sender.send(plan.specs, plan.rate, self.progress), None
        self.tell(f"{plan.orders_rate:g} orders and {plan.rate:g} mutants a second")
        seconds = max(REFERENCE_SECONDS, plan.count / plan.rate)
        async with asyncio.TaskGroup() as group:
            placing = group.create_task(foreign_orders.place(self.testbed, plan.orders_rate, seconds))
            sent = await sender.send(plan.specs, plan.rate, self.progress)
        self.tell("waiting until each order has ended")
        return sent, await foreign_orders.settled(self.testbed, placing.result())

    async def _passed(self, contracts: Contracts, sent: Iterable[Sent]) -> int:
        """Wait until the readers have passed each mutant. Returns how many records they have not."""
        self.tell("waiting until the readers have passed each mutant")
        places = {place for one in sent for place in one.places}
        left, since = len(places), time.monotonic()
        while places:
            passed = await foreign_signs.passed_by(self.testbed.kafka, SERVICES)
            places = foreign_signs.behind(places, passed, contracts.topics)
            if len(places) < left:
                left, since = len(places), time.monotonic()
            if time.monotonic() > since + PATIENCE_SECONDS:
                break
            await asyncio.sleep(LOOK_SECONDS)
        return len(places)

    async def _simplify(self, sender: Sender, found: Sorted) -> list[Sent]:
        """Replace the first findings by ones with a single step, if that step alone has the same result.

        Returns the mutants that it sent.
        """
        simplified: list[Sent] = []
        kinds: dict[tuple[str, str], Finding] = {}
        for one in found.findings:
            kinds.setdefault(one.kind, one)
        for one in list(kinds.values())[:SHRUNK]:
            specs = simpler(make(sender.contracts, one.spec))
            if not specs:
                continue
            self.tell(f"making the mutant {one.spec} simpler")
            sent = await sender.send(specs, 0, lambda _: None)
            simplified += sent
            await self._passed(sender.contracts, sent)
            alone = sort(sent, await traces_of(self.testbed)).findings
            same = [other for other in alone if other.kind == one.kind]
            if same:
                found.findings[found.findings.index(one)] = same[0]
        return simplified


def fuzzed(seen: Seen, verdict: Verdict | None) -> Fuzzed:
    """Compare the results with their limits."""
    values = [
        at_most(
            "mutants that were neither handled as they may be nor dead letters", len(seen.sorted.findings), 0
        ),
        at_most("records that a reader has not passed", seen.behind, 0),
        at_most("services that ended", len(seen.ended), 0),
        at_most("consumers started again", seen.restarts, 0),
    ]
    bites = [at_least("dead letters", sum(_letters(counts) for counts in seen.sorted.counts.values()), 1)]
    detail: dict[str, object] = {
        "mutants": seen.sent,
        "mutants a second": round(seen.sent / max(seen.seconds, 0.001), 1),
        "dead letters of events that the contract allows": dict(seen.sorted.refused.most_common()),
        "examples of these": seen.sorted.examples,
    }
    if seen.reference is not None and seen.ordinary is not None:
        more, detail_of_orders = _of_orders(seen.reference, seen.ordinary)
        values += more
        detail |= detail_of_orders
        bites.append(
            at_least("orders by which the p99 was taken", len(seen.ordinary.outside(())), ENOUGH_ORDERS)
        )
    outcome = Outcome(values, verdict, detail, bites)
    findings = [replaced.as_json() for replaced in seen.sorted.findings]
    return Fuzzed(outcome, findings, seen.sorted.counts)


def _of_orders(reference: Ordinary, ordinary: Ordinary) -> tuple[list[Value], dict[str, object]]:
    """The limits of ordinary orders, and the numbers behind them."""
    before, meanwhile = reference.p99(), ordinary.p99()
    ratio = meanwhile / before if before else 0.0
    values = [
        at_most("ordinary orders that did not end as they must", ordinary.faults.total(), 0),
        at_most("requests of theirs that failed or were answered with 5xx", ordinary.failed, 0),
        at_most("p99 of request to end, of that without mutants", ratio, SLOWER, "×"),
    ]
    return values, {
        "p99 without mutants, s": round(before, 3),
        "p99 with mutants, s": round(meanwhile, 3),
        "ordinary orders": len(ordinary.orders),
        "what is wrong with them": dict(ordinary.faults),
        "answers 429 and 503": ordinary.shed,
    }


def _letters(counts: Mapping[str, int]) -> int:
    return sum(number for name, number in counts.items() if name.startswith("a dead letter"))
