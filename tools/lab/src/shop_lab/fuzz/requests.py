"""`shop fuzz requests`: schemathesis over all HTTP APIs, with tokens of their callers, until enough were sent."""

from __future__ import annotations

import asyncio
import shlex
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shop_lab import trial
from shop_lab.experiments import foreign_signs
from shop_lab.experiments.experiment import REST_SECONDS
from shop_lab.experiments.outcome import Outcome, at_least, at_most
from shop_lab.fuzz.apis import (
    CUSTOMER,
    NO_ANSWER,
    PLACE,
    REDIRECT,
    SERVER_ERROR,
    SUCCESS,
    Answers,
    Api,
    Failure,
    apis_of,
    ask,
    program,
)
from shop_lab.fuzz.verdict import Fuzzed
from shop_lab.testbed import PRODUCTS, TRACED, Testbed
from shop_load import plans
from shop_load.client import ShopClient
from shop_load.closed_loop import place
from shop_load.plans import Scenario
from shop_observe.history import History
from shop_oracle.gather import gather
from shop_oracle.report import Verdict, judge
from shop_stack.errors import UserError

SETTINGS: Mapping[str, str] = {
    **TRACED,
    "HTTP_CALLER_RATE": "100000",
    "HTTP_CALLER_BURST": "100000",
    "ORDERS_MAX_PENDING_PER_CUSTOMER": "5000",
}
"""Settings of the services: a caller has no limit, because a request that is refused for its number tests nothing."""
TOGETHER = 2
"""APIs that are asked at the same time."""
MOST_EXAMPLES = 200
PER_EXAMPLE = 4
"""About so many requests are sent for each example of each operation, because schemathesis has several phases."""
SHOWN = 20
ORDERS = 5
"""Orders that are placed first, so that requests can name them."""


@dataclass(frozen=True)
class Plan:
    """What is sent."""

    count: int
    seed: int
    only: Sequence[str] = ()
    """Names of APIs; all without one."""
    examples: int = 0
    """Examples of each operation in one round; 0: by what is left to be sent."""


@dataclass
class Seen:
    """All results of a run."""

    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    """API → status → number of answers. 0 stands for no answer."""
    failures: dict[tuple[str, str, int], tuple[Failure, str]] = field(default_factory=dict)
    """API, method and status → the shortest such request, and the command that repeats its run."""
    seconds: float = 0.0
    restarts: int = 0
    ended: Sequence[str] = ()
    asked: dict[str, Sequence[str]] = field(default_factory=dict)
    """API → its operations."""
    carried_out: dict[str, Counter[str]] = field(default_factory=dict)
    """API → operation → number of answers of 2xx."""

    @property
    def sent(self) -> int:
        return sum(counts.total() for counts in self.statuses.values())

    def add(self, api: Api, answers: Answers, again: str) -> None:
        """Add the answers of one run of schemathesis, which `again` repeats."""
        self.statuses.setdefault(api.name, Counter()).update(answers.statuses)
        self.asked[api.name] = api.operation_names
        self.carried_out.setdefault(api.name, Counter()).update(answers.carried_out)
        for one in answers.failures:
            kind = (one.api, one.method, one.status)
            if kind not in self.failures or one.size < self.failures[kind][0].size:
                self.failures[kind] = (one, again)

    @property
    def refused(self) -> list[str]:
        """The operations that no request of this run could carry out."""
        return [
            f"{api}: {operation}"
            for api, operations in self.asked.items()
            for operation in operations
            if not self.carried_out[api][operation]
        ]

    def count(self, wanted: Callable[[int], bool]) -> int:
        """How many answers have such a status."""
        return sum(n for counts in self.statuses.values() for status, n in counts.items() if wanted(status))


@dataclass
class Run:
    """A run on a testbed."""

    testbed: Testbed
    plan: Plan
    tell: Callable[[str], None]
    progress: Callable[[int], None]

    async def carry_out(self) -> Fuzzed:
        """Ask each API again and again, until enough requests were sent; then judge.

        Raises UserError if an API has no such name, or schemathesis does not work.
        """
        program()
        orders = await place_some(self.testbed)
        apis = chosen(apis_of(self.testbed.target.contracts, orders), self.plan.only)
        since = await foreign_signs.beginning(self.testbed)
        seen, began, round_ = Seen(), time.monotonic(), 0
        with tempfile.TemporaryDirectory(prefix="shop-fuzz-") as folder:
            while seen.sent < self.plan.count:
                before = seen.sent
                await self._round(apis, seen, self.plan.seed + round_, Path(folder) / str(round_))
                round_ += 1
                if seen.sent == before:
                    raise UserError("schemathesis has sent no request: see its report with --examples 1.")
        seen.seconds = time.monotonic() - began
        seen.restarts = sum(t.total() for t in foreign_signs.restarts_of(self.testbed, since).values())
        seen.ended = foreign_signs.ended_processes(self.testbed, since)
        self.tell("judging")
        return fuzzed(seen, judge(await gather(self.testbed.target, REST_SECONDS, self.tell)))

    async def _round(self, apis: Iterable[Api], seen: Seen, seed: int, folder: Path) -> None:
        """Ask each API once."""
        asked = list(apis)
        left = (self.plan.count - seen.sent) / sum(api.operations for api in asked)
        examples = self.plan.examples or max(1, min(MOST_EXAMPLES, int(left / PER_EXAMPLE)))
        turn = asyncio.Semaphore(TOGETHER)

        async def ask_one(api: Api) -> None:
            async with turn:
                self.tell(f"{api.name}: {examples} examples of {api.operations} operations, seed {seed}")
                place = folder / api.name.replace("/", "-")
                answers = await ask(api, self.testbed.target, seed, examples, place)
                again = f"shop fuzz requests --count 1 --only {api.name} --seed {seed} --examples {examples}"
                seen.add(api, answers, again)
                self.progress(seen.sent)

        ended = await asyncio.gather(*map(ask_one, asked), return_exceptions=True)
        for one in ended:
            if isinstance(one, BaseException):
                raise one


async def place_some(testbed: Testbed) -> list[str]:
    """Place orders of the customer whose requests are generated. Returns their ids, which requests may name."""
    run = trial.first_id()
    orders = [
        plans.Plan(Scenario.CONFIRMED, f"fuzz-{run}-{number}", CUSTOMER, ((PRODUCTS[number].sku, 1),))
        for number in range(ORDERS)
    ]
    with History(testbed.target.state / "history", f"fuzz-{run}") as history:
        async with ShopClient(testbed.target, history) as shop:
            return [str((await place(shop, order)).order_id) for order in orders]


def chosen(apis: Sequence[Api], names: Sequence[str]) -> Sequence[Api]:
    """The APIs of these names, or all. Raises UserError if one does not exist."""
    known = {api.name: api for api in apis}
    if unknown := [name for name in names if name not in known]:
        raise UserError(f"There is no API {unknown[0]!r}: choose one of {', '.join(known)}.")
    return [known[name] for name in names] or apis


def fuzzed(seen: Seen, verdict: Verdict | None) -> Fuzzed:
    """Compare the results with their limits."""
    values = [
        at_most("answers of 5xx", seen.count(lambda status: status >= SERVER_ERROR), 0),
        at_most("requests without an answer", seen.count(lambda status: status == NO_ANSWER), 0),
        at_most("services that ended", len(seen.ended), 0),
        at_most("tasks started again", seen.restarts, 0),
    ]
    bites = [at_least("answers of 2xx", seen.count(lambda status: SUCCESS <= status < REDIRECT), 1)]
    placed = [seen.carried_out[api][PLACE] for api, operations in seen.asked.items() if PLACE in operations]
    if placed:
        bites.append(at_least("orders placed", sum(placed), 1))
    detail = {
        "requests": seen.sent,
        "requests a second": round(seen.sent / max(seen.seconds, 0.001), 1),
        "operations that no request carried out": seen.refused,
    }
    findings = [finding(one, again) for one, again in list(seen.failures.values())[:SHOWN]]
    statuses = sorted(set().union(*seen.statuses.values()))
    counts = {
        api: {str(status or "none"): counts[status] for status in statuses}
        for api, counts in seen.statuses.items()
    }
    told = [f"no request carried out: {operation}" for operation in seen.refused]
    return Fuzzed(Outcome(values, verdict, detail, bites), findings, counts, told)


def finding(one: Failure, again: str) -> Mapping[str, Any]:
    """A failure as JSON. `request` repeats it by hand: give it the address and a token."""
    status = one.status or "no answer"
    data = f" --json {shlex.quote(one.body)}" if one.body else ""
    return {
        "what": f"{one.api}: {status} at {one.method} {one.path[:200]}",
        "request": f"curl -X {one.method} {shlex.quote('$URL' + one.path)}{data}",
        "again": again,
    }
