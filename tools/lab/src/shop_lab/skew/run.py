"""Carries the cells out, one after the other, on one stack that is under load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shop_lab.experiments import background_orders
from shop_lab.skew.cells import Cell, Question, expected_of
from shop_lab.skew.counts import crossings
from shop_lab.skew.losses import Known
from shop_lab.skew.pairs import Pair, Side
from shop_lab.skew.report import Report
from shop_lab.skew.schema import head_of_database, head_of_release
from shop_lab.testbed import TRACED, Testbed, fresh_testbed
from shop_load.client import LoadFailed
from shop_load.closed_loop import Placed
from shop_observe.handled import handlings
from shop_observe.topics import Topic, declared_topics
from shop_oracle.gather import gather
from shop_oracle.report import judge
from shop_stack import deployments, venvs
from shop_stack.deployments import Deployed
from shop_stack.errors import UserError

PORTS_ABOVE = 600
"""The distance between the ports of this stack and the shop's, so that a running shop is not disturbed."""
REST_SECONDS = 90.0
"""The longest time until the shop is at rest after a cell: longer than the deadline of an order (60 s)."""
LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Pace:
    """How much load a cell has."""

    rate: float = 10.0
    """Orders per second."""
    orders: int = 40
    """Orders that are placed while a release runs, before the next one replaces it."""
    patience: float = 60.0
    """Seconds that these orders may take. If they take longer, the cell goes on without them."""


@dataclass
class Skew:
    """A run: the stack, the releases, and what was found until now."""

    testbed: Testbed
    pairs: Mapping[str, Pair]
    log: Callable[[str], None]
    pace: Pace = field(default_factory=Pace)
    known: Known = field(default_factory=Known)

    async def beside(self, service: str, question: Question) -> Cell:
        """N−1 → N → N−1 of a service, with messages in flight. N−1 of the service runs at the end."""
        pair = self.pairs[service]
        await self.move(pair.old)
        return await self._cell(service, question, (pair.new, pair.old))

    async def on_new_schema(self, service: str) -> Cell:
        """The code of N−1 on the tables of N, which N has migrated before."""
        return await self._cell(service, Question.NEW_SCHEMA, ())

    async def move(self, release: Deployed) -> None:
        """Deploy a release unless it runs. Raises UserError if it does not become ready."""
        if self.testbed.stack.deployment(release.service).now != release:
            self.log(f"{release.service}: deploying {release.version}")
            await deployments.deploy(self.testbed.stack, release)

    async def _cell(self, service: str, question: Question, releases: Sequence[Deployed]) -> Cell:
        self.log(f"{service}, {question}: orders")
        began_ns = time.time_ns()
        placed: list[Placed] = []
        broken: list[str] = []
        notes: list[str] = []
        try:
            async with _orders(self.testbed, self.pace.rate, placed, broken):
                await self._leg(placed, broken)
                for release in releases:
                    self.log(f"{service}, {question}: {release.name}")
                    outcome = await deployments.deploy(self.testbed.stack, release)
                    notes += [f"away for a moment: {outcome.gap}"] if outcome.gap else []
                    await self._leg(placed, broken)
        except UserError as error:
            broken.append(f"failed: {error}")
        self.log(f"{service}, {question}: waiting for rest")
        evidence = await gather(self.testbed.target, REST_SECONDS, lambda _: None)
        verdict = await asyncio.to_thread(judge, evidence)
        losses = [*broken, *self.known.losses(placed, evidence, verdict)]
        found = await asyncio.to_thread(handlings, self.testbed.target.spans, began_ns)
        missing, heads = await self._schema(service, question)
        return Cell(
            service=service,
            question=question,
            orders=len(placed),
            crossings=crossings(found, self.pairs, service),
            expected=expected_of(self._topics, service, question),
            losses=losses,
            missing=missing,
            note="; ".join([*notes, *heads]),
        )

    @property
    def _topics(self) -> Sequence[Topic]:
        return declared_topics(self.testbed.target.contracts)

    async def _leg(self, placed: Sequence[Placed], broken: Sequence[str]) -> None:
        """Return when enough orders were placed since now. A load that fails or is slow does not hold the cell up."""
        wanted = len(placed) + self.pace.orders
        given_up = time.monotonic() + self.pace.patience
        while len(placed) < wanted and time.monotonic() < given_up:
            if broken:
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _schema(self, service: str, question: Question) -> tuple[str, list[str]]:
        """(what the cell lacks, notes): the tables must be those of N when the code of N−1 is tried on them."""
        if question is not Question.NEW_SCHEMA:
            return "", []
        pair = self.pairs[service]
        wanted = head_of_release(pair.new)
        head = await head_of_database(self.testbed, service)
        if head != wanted:
            return f"the schema is {head}, and that of N is {wanted}", []
        old = head_of_release(pair.old)
        return "", [f"both have the schema {head}" if old == head else f"schema {old} → {head}"]


@asynccontextmanager
async def _orders(
    testbed: Testbed, rate: float, placed: list[Placed], broken: list[str]
) -> AsyncIterator[None]:
    """Orders of every outcome while the context lasts. A load that gives up is a loss, and ends no run."""
    stopping = asyncio.Event()

    async def serve() -> None:
        try:
            async with background_orders.running(testbed.target, rate) as theirs:
                while not stopping.is_set():
                    placed[:] = theirs
                    await asyncio.sleep(LOOK_SECONDS)
            placed[:] = theirs
        except* LoadFailed as group:
            broken.extend(f"failed: {error}" for error in group.exceptions)

    serving = asyncio.create_task(serve())
    try:
        yield
    finally:
        stopping.set()
        await serving


async def run(
    skew: Skew, services: Sequence[str], on_cell: Callable[[Cell], None] = lambda _: None
) -> list[Cell]:
    """All cells of these services. Every service of the stack must run N−1. `on_cell` is called for each cell."""
    cells: list[Cell] = []

    def told(cell: Cell) -> None:
        cells.append(cell)
        on_cell(cell)

    for service in services:
        told(await skew.beside(service, Question.BESIDE_OLD))
    for pair in skew.pairs.values():
        await skew.move(pair.at(Side.NEW))
    for service in services:
        told(await skew.beside(service, Question.BESIDE_NEW))
        told(await skew.on_new_schema(service))
        await skew.move(skew.pairs[service].new)
    return cells


def count_cells(services: Sequence[str]) -> int:
    """The number of cells of these services."""
    return len(Question) * len(services)


async def prove(
    pairs: Mapping[str, Pair],
    services: Sequence[str],
    log: Callable[[str], None],
    on_cell: Callable[[Cell], None] = lambda _: None,
    pace: Pace | None = None,
) -> Report:
    """Carry all cells out on a stack of its own, which begins with N−1 of every service and is removed at the end.

    `pairs` has every service of the shop; `services` are those that are judged.

    Raises UserError if a release has no environment, or if N−1 or N does not start.
    """
    began, clock = datetime.now(UTC), time.monotonic()
    for pair in pairs.values():
        for release in (pair.old, pair.new):
            log(f"environment of {release.name}")
            await venvs.ensure(release.project)

    def report(part: str, what: str) -> None:
        log(f"{part}: {what}")

    old = [pair.old for pair in pairs.values()]
    async with fresh_testbed(report, "skew", PORTS_ABOVE, TRACED, old) as testbed:
        cells = await run(Skew(testbed, pairs, log, pace or Pace()), services, on_cell)
    names = {service: (pairs[service].old.version, pairs[service].new.version) for service in services}
    return Report(cells, names, began, time.monotonic() - clock)
