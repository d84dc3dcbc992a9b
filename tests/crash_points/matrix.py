"""Carries out trials on a running shop, and judges each group of them by the oracle.

A group shares one shop and one verdict. After a violation the group is halved on fresh shops until the smallest part
that still shows one is found.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import groupby

from aiokafka import AIOKafkaProducer

from shop_lab.experiments.background_orders import serve
from shop_lab.replicas import Replica, beside
from shop_load.closed_loop import Customers
from shop_oracle.gather import gather
from shop_oracle.report import judge
from shop_stack.errors import UserError, first_of
from shop_stack.kafka_access import KafkaAccess
from shop_stack.stack import Stack
from shop_stack.target import Target
from tests.crash_points.discovery import Reached, discover
from tests.crash_points.injection import FREEZE
from tests.crash_points.subject import Subject, Trial
from tests.crash_points.verdicts import Outcome, Run

GROUP = 12
"""How many trials share a verdict."""
RATE = 4.0
"""Orders per second."""
ORDERS = 12
"""How many orders the customers place before they look whether the group has ended. Every outcome is among them."""
REST_SECONDS = 120.0
FOREIGN = ("orders.order.v1", "inventory.reservation.v1")
"""Topics that together are read by every service. A record on each, which is no event, becomes a dead letter."""
FREEZE_SECONDS = 8.0
"""More than the session timeout in SETTINGS and the relay's lease, 6 s each: another process takes over meanwhile."""
SETTINGS = {"KAFKA_SESSION_TIMEOUT_MS": "6000"}
"""The services' settings in a shop for these trials. It is the shortest session timeout that the broker allows."""
TRIES = 3
"""How often a trial is carried out until its point is reached."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Shop:
    """A shop that runs."""

    stack: Stack
    target: Target
    foreign: KafkaAccess | None = None
    """The login that sends a record that is no event to FOREIGN in each group; without it none is sent."""
    freeze_seconds: float = FREEZE_SECONDS

    def subject(self, service: str) -> Subject:
        return Subject(self.stack, service, self.freeze_seconds)

    @asynccontextmanager
    async def busy_without(self, service: str) -> AsyncIterator[Subject]:
        """Orders of every outcome arrive. The service does not run, and is started as usual at the end.

        Raises UserError if a part of the shop does not do what it must.
        """
        subject = self.subject(service)
        closing = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._orders(closing))
                try:
                    await subject.end()
                    async with subject.with_nursery():
                        yield subject
                finally:
                    await subject.start_without_points()
                    closing.set()
        except ExceptionGroup as errors:
            raise first_of(errors) from errors

    async def _orders(self, closing: asyncio.Event) -> None:
        while not closing.is_set():
            if self.foreign is not None:
                await self._send_foreign_records(self.foreign)
            await serve(self.target, ORDERS, Customers(concurrency=6, rate=RATE))

    async def _send_foreign_records(self, kafka: KafkaAccess) -> None:
        async with AIOKafkaProducer(**kafka.client) as producer:
            for topic in FOREIGN:
                await producer.send_and_wait(topic, b"no event", b"no key")

    async def violations(self) -> list[str]:
        """The oracle's findings, one sentence each, after the shop has come to rest."""
        verdict = judge(await gather(self.target, REST_SECONDS, lambda _: None))
        found = [f"not at rest: {each}" for each in verdict.unrest]
        for ruling in verdict.rulings:
            found += [
                f"invariant {ruling.number}, {v.subject}: expected {v.expected}, found {v.found}"
                for v in ruling.judgement.violations
            ]
        return found


OpenShop = Callable[[], AbstractAsyncContextManager[Shop]]


async def strike_all(shop: Shop, trials: Sequence[Trial], say: Say) -> list[bool]:
    """Carry out trials of one service under load. Returns for each whether its strike was seen.

    Other processes of the service run beside it if it is frozen: they take over, and it wakes up as one too many.
    """
    struck = []
    async with _taking_over(shop, trials), shop.busy_without(trials[0].service) as subject:
        for trial in trials:
            seen = await _undergo(subject, trial)
            say(f"{trial.title}: {'struck' if seen else 'not reached'}")
            struck.append(seen)
    return struck


async def _undergo(subject: Subject, trial: Trial) -> bool:
    """Carry out a trial, again with the first occurrence if the point was not reached often enough."""
    if await subject.undergo(trial):
        return True
    for _ in range(TRIES - 1):
        if await subject.undergo(replace(trial, occurrence=1)):
            return True
    return False


@asynccontextmanager
async def _taking_over(shop: Shop, trials: Sequence[Trial]) -> AsyncIterator[None]:
    """A second process of the service, if a trial freezes the first one."""
    if all(trial.kind != FREEZE for trial in trials):
        yield
        return
    second = replica_of(shop.stack, trials[0].service)
    await second.start()
    try:
        yield
    finally:
        await second.stop()


def replica_of(stack: Stack, service: str) -> Replica:
    """One more process of a service. It does not run."""
    return next(each for each in beside(stack, 1) if each.service == service)


async def judged_group(shop: Shop, trials: Sequence[Trial], say: Say) -> tuple[list[Run], list[str]]:
    """Carry out a group and judge it. Returns its runs, and the violations that the whole group has shown."""
    struck = await strike_all(shop, trials, say)
    found = await shop.violations()
    runs = [
        Run(trial, Outcome.HOLDS if seen else Outcome.VACUOUS)
        for trial, seen in zip(trials, struck, strict=True)
    ]
    return runs, found


async def narrowed(
    trials: Sequence[Trial], found: list[str], show: Callable[[Sequence[Trial]], Awaitable[list[str]]]
) -> tuple[Sequence[Trial], list[str]]:
    """The smallest part of a group that still shows a violation, and what it shows.

    `show` carries out trials on a fresh shop, and returns the violations.
    """
    while len(trials) > 1:
        middle = len(trials) // 2
        for half in (trials[:middle], trials[middle:]):
            if shown := await show(half):
                trials, found = half, shown
                break
        else:
            break  # only together, or a race that did not happen again
    return trials, found


def groups_of(trials: Sequence[Trial], size: int = GROUP) -> list[list[Trial]]:
    """Trials of one service and one kind, at most `size` together."""
    found = []
    for _, same in groupby(trials, key=lambda trial: (trial.service, trial.kind)):
        together = list(same)
        found += [together[at : at + size] for at in range(0, len(together), size)]
    return found


class Matrix:
    """Trials on shops that `open_shop` gives. A shop is used until an invariant is violated on it.

    It is an asynchronous context manager, which removes the last shop at its end.
    """

    def __init__(self, open_shop: OpenShop, say: Say) -> None:
        self._open_shop = open_shop
        self._say = say
        self._shop: Shop | None = None
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Matrix:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._remove_shop()

    async def discover(self, services: Sequence[str]) -> dict[str, Reached]:
        """The points that each service reaches."""
        found = {}
        shop = await self._running_shop()
        for service in services:
            async with shop.busy_without(service) as subject:
                found[service] = await discover(subject)
            self._say(f"{service} reaches {len(found[service].points)} points")
        return found

    async def carry_out(self, trials: Sequence[Trial]) -> list[Run]:
        """Carry out all trials in groups."""
        runs: list[Run] = []
        groups = groups_of(trials)
        for number, group in enumerate(groups, 1):
            self._say(f"group {number} of {len(groups)}")
            try:
                done, found = await judged_group(await self._running_shop(), group, self._say)
            except UserError as error:
                self._say(f"not judged: {error}")
                await self._remove_shop()
                done, found = [Run(trial, Outcome.VACUOUS, [str(error)]) for trial in group], []
            if found:
                self._say(f"{len(found)} violations, such as {found[0]}")
                await self._remove_shop()
                done = await self._blamed(done, found)
            runs += done
        return runs

    async def _blamed(self, done: Sequence[Run], found: list[str]) -> list[Run]:
        """The runs of a group with a violation. Those of its smallest part that shows one are violated."""
        guilty, shown = await narrowed([run.trial for run in done], found, self._show)
        return [
            replace(run, outcome=Outcome.VIOLATED, found=shown) if run.trial in guilty else run
            for run in done
        ]

    async def _show(self, trials: Sequence[Trial]) -> list[str]:
        self._say(f"again on a fresh shop: {len(trials)} trials")
        try:
            return (await judged_group(await self._running_shop(), trials, self._say))[1]
        finally:
            await self._remove_shop()

    async def _running_shop(self) -> Shop:
        if self._shop is None:
            self._shop = await self._opened.enter_async_context(self._open_shop())
        return self._shop

    async def _remove_shop(self) -> None:
        self._shop = None
        await self._opened.aclose()
