"""Foreign inputs and silent clients in addition to ordinary orders. None of them may stop or slow down the shop."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from shop_lab import trial
from shop_lab.experiments import foreign_orders, foreign_signs, memory
from shop_lab.experiments.experiment import Experiment
from shop_lab.experiments.foreign_inputs.batches import RawProducer
from shop_lab.experiments.foreign_inputs.catalogue import all_inputs
from shop_lab.experiments.foreign_inputs.events import topics_of
from shop_lab.experiments.foreign_inputs.generator import generate
from shop_lab.experiments.foreign_inputs.input import Aftermath, Input, Place, Tally, Window, World
from shop_lab.experiments.foreign_inputs.servers import LIMITED_TOPICS
from shop_lab.experiments.foreign_inputs.silence import SilentCrowd
from shop_lab.experiments.foreign_orders import Ordinary, Placed
from shop_lab.experiments.foreign_signs import Beginning
from shop_lab.experiments.memory import Memory
from shop_lab.experiments.outcome import Outcome, at_least, at_most
from shop_lab.values import Value
from shop_observe.history import History
from shop_oracle.report import LISTED, Verdict
from shop_stack.ports import SERVICES

WARM_UP_ORDERS = 500
REFERENCE_SHARE = 0.1
REFERENCE_SECONDS = 60.0
"""The least duration of the reference run without the generator, in seconds."""
SLOWER = 3.0
GROWTH_PERCENT = 10.0
ONE_GROWTH_PERCENT = 25.0
ENOUGH_ORDERS = 1_000
"""With so many orders a p99 is reliable."""
REQUEST_SECONDS = 30.0
CLIENT_LIMITS = httpx.Limits(keepalive_expiry=2.0)
"""The services close an idle connection after 5 s. A client that keeps it as long would send into a closed one."""
TELL_SECONDS = 10.0
NAMED = LISTED // 2
"""Of the records that must be dead letters, the oracle must name so many. It lists LISTED records of any kind."""
SHOWN_PLACES = 5
PLACE = re.compile(r"[\w.-]+\[\d+\]@\d+")


@dataclass(frozen=True)
class Seen:
    """All results of the experiment."""

    inputs: Sequence[Input]
    tallies: Mapping[str, Tally]
    after: Aftermath
    windows: Sequence[Window]
    reference: Ordinary
    ordinary: Ordinary
    restarts: Mapping[str, Counter[str]]
    """Service → task → how often the task was restarted."""
    ended: Sequence[str]
    """Services whose process has ended."""
    memory: Memory
    check_error: str = ""
    """The error of `shop check`, if it ended without a verdict."""


@dataclass(frozen=True)
class Course:
    """The results of the part with the generator, before the shop is at rest."""

    inputs: Sequence[Input]
    tallies: Mapping[str, Tally]
    since: Beginning
    placed: Placed
    reference: Ordinary
    memory: Memory


async def run(experiment: Experiment, minutes: float, rate: float) -> Outcome:
    """Place ordinary orders alone for a tenth of the time, then with the generator for `minutes`."""
    testbed, seconds = experiment.testbed, 60 * minutes
    reference_seconds = max(REFERENCE_SECONDS, REFERENCE_SHARE * seconds)
    experiment.log("warming up")
    await trial.place(testbed, WARM_UP_ORDERS, rate)
    experiment.log(f"{rate:g} orders a second alone")
    async with experiment.clock(reference_seconds):
        placed = await foreign_orders.place(testbed, rate, reference_seconds)
    reference = await foreign_orders.settled(testbed, placed)
    topics = topics_of(testbed.target.contracts)
    async with (
        RawProducer(testbed.kafka, [*topics, *LIMITED_TOPICS]) as producer,
        httpx.AsyncClient(timeout=REQUEST_SECONDS, limits=CLIENT_LIMITS, trust_env=False) as http,
    ):
        with History(testbed.target.state / "history", "foreign") as history:
            world = World(testbed, topics, producer, http, history, random.Random(1))
            return await _loaded(experiment, world, rate, seconds, reference)


async def _loaded(
    experiment: Experiment, world: World, rate: float, seconds: float, reference: Ordinary
) -> Outcome:
    crowd = SilentCrowd()
    inputs = all_inputs(crowd)
    since = await foreign_signs.beginning(world.testbed)

    told = time.monotonic()

    def report(given: int) -> None:
        nonlocal told
        if time.monotonic() > told + TELL_SECONDS:
            told = time.monotonic()
            experiment.log(f"{rate:g} orders a second, {given} foreign inputs")

    async with (
        memory.watched(world.testbed, seconds) as watched,
        experiment.clock(seconds),
        asyncio.TaskGroup() as group,
    ):
        placing = group.create_task(foreign_orders.place(world.testbed, rate, seconds))
        try:
            tallies = await generate(inputs, world, seconds, report)
        finally:
            await crowd.leave()
    course = Course(inputs, tallies, since, placing.result(), reference, watched)
    return await _judged(experiment, world, course)


async def _judged(experiment: Experiment, world: World, course: Course) -> Outcome:
    testbed = world.testbed
    since = course.since
    verdict: Verdict | None = None
    check_error = ""
    experiment.log("waiting until nothing is held for ghost orders")
    await foreign_signs.wait_for_ghosts(testbed, course.tallies.values())
    try:
        _, verdict = await experiment.judge()
    except Exception as error:  # that the oracle ends with a verdict is one of the numbers
        check_error = f"{type(error).__name__}: {error}"[:500]
    seen = Seen(
        inputs=course.inputs,
        tallies=course.tallies,
        after=await foreign_signs.aftermath(world, list(course.tallies.values()), since),
        windows=world.windows,
        reference=course.reference,
        ordinary=await foreign_orders.ends(testbed, course.placed),
        restarts=foreign_signs.restarts_of(testbed, since),
        ended=foreign_signs.ended_processes(testbed, since),
        memory=course.memory,
        check_error=check_error,
    )
    return verdict_on(seen, verdict)


# --- Verdict --------------------------------------------------------------------------------------


def verdict_on(seen: Seen, verdict: Verdict | None) -> Outcome:
    """Compare the results with their limits."""
    return Outcome(_musts(seen, verdict), verdict, _detail(seen), _bites(seen))


def _musts(seen: Seen, verdict: Verdict | None) -> list[Value]:
    tallies = seen.tallies.values()
    before, meanwhile = seen.reference.p99(), seen.ordinary.p99(seen.windows)
    slower = meanwhile / before if before else 0.0
    odd_ends = sum(
        seen.after.ends.get(id) != state for tally in tallies for id, state in tally.orders.items()
    )
    growth = max(seen.memory.growth([name]) for name in SERVICES)
    return [
        at_most("ordinary orders that did not end as they must", seen.ordinary.faults.total(), 0),
        at_most("the same, without the generator", seen.reference.faults.total(), 0),
        at_most("p99 of request to end, of that without the generator", slower, SLOWER, "×"),
        at_most("consumers started again", sum(tasks["consumer"] for tasks in seen.restarts.values()), 0),
        at_most("services that ended", len(seen.ended), 0),
        at_most("foreign records that a reader has not passed", len(seen.after.behind), 0),
        at_most("foreign records without a dead letter", len(without_letter(seen)), 0),
        at_most("orders with odd cards that did not end as they must", odd_ends, 0),
        at_most(
            "ghost orders with stock or money and without a dead letter", len(seen.after.held_for_ghosts), 0
        ),
        at_most("wrong answers to requests", sum(tally.wrong.total() for tally in tallies), 0),
        at_most(
            "the services' memory, last third to middle third",
            seen.memory.growth(SERVICES),
            GROWTH_PERCENT,
            "% more",
        ),
        at_most("the same, of the service that grew most", growth, ONE_GROWTH_PERCENT, "% more"),
        at_most("`shop check` ended without a verdict", bool(seen.check_error), 0),
        at_most("invariants that `shop check` found violated", _violated(verdict), 0),
        at_least(
            "foreign records that `shop check` names",
            len(named_by(verdict) & _letter_places(seen)),
            min(NAMED, len(_letter_places(seen))),
        ),
    ]


def _violated(verdict: Verdict | None) -> int:
    return 0 if verdict is None else sum(not ruling.holds for ruling in verdict.rulings)


def without_letter(seen: Seen) -> set[str]:
    """The places of records that must be dead letters, but are not."""
    return _letter_places(seen) - set(map(str, seen.after.letters))


def _letter_places(seen: Seen) -> set[str]:
    """The places of records that must be dead letters."""
    places = [seen.tallies[one.name].places for one in seen.inputs if one.must_be_letter]
    return set(map(str, set().union(*places)))


def named_by(verdict: Verdict | None) -> set[str]:
    """The places of records in the oracle's JSON, as text in a sentence or as topic, partition and offset."""
    return set() if verdict is None else set(places_in(verdict.as_json()))


def places_in(told: Any) -> Iterator[str]:
    """The places of records in a JSON value."""
    if isinstance(told, str):
        yield from PLACE.findall(told)
    elif isinstance(told, list):
        for item in told:
            yield from places_in(item)
    elif isinstance(told, dict):
        if told.keys() >= set(Place._fields):
            yield str(Place(*(told[name] for name in Place._fields)))
        for value in told.values():
            yield from places_in(value)


def bites(seen: Seen) -> dict[str, int]:
    """Name of an input → how often it had a visible effect."""
    return {one.name: one.seen(seen.tallies[one.name], seen.after) for one in seen.inputs}


def _bites(seen: Seen) -> list[Value]:
    """Kind → number of its inputs that had a visible effect. All of them must have had one."""
    found = bites(seen)
    kinds: dict[int, list[str]] = {}
    for one in seen.inputs:
        kinds.setdefault(one.kind, []).append(one.name)
    return [
        at_least(f"inputs of kind {kind} with a visible effect", sum(found[n] > 0 for n in names), len(names))
        for kind, names in sorted(kinds.items())
    ] + [
        at_least(
            "orders by which the p99 was taken", len(seen.ordinary.outside(seen.windows)), ENOUGH_ORDERS
        ),
        at_least("the same, without the generator", len(seen.reference.outside(())), ENOUGH_ORDERS),
    ]


def _detail(seen: Seen) -> dict[str, object]:
    found = bites(seen)
    sizes = seen.memory.samples
    return {
        "p99 without the generator, s": round(seen.reference.p99(), 3),
        "p99 with it, s": round(seen.ordinary.p99(seen.windows), 3),
        "the same, with the times in which a part was kept from its work": round(seen.ordinary.p99(), 3),
        "ordinary orders": len(seen.ordinary.orders),
        "what is wrong with them": dict(seen.ordinary.faults),
        "requests of theirs that failed and were sent again": seen.ordinary.failed,
        "answers that asked to come back later": seen.ordinary.shed,
        "tasks started again": {name: dict(tasks) for name, tasks in seen.restarts.items() if tasks},
        "without a visible effect": [name for name, count in found.items() if not count],
        "inputs": {
            one.name: _told(seen.tallies[one.name], found[one.name])
            for one in sorted(seen.inputs, key=lambda one: one.kind)
        },
        "no dead letter": sorted(without_letter(seen))[:SHOWN_PLACES],
        "not passed": sorted(map(str, seen.after.behind))[:SHOWN_PLACES],
        "memory at the beginning and at the end, MB": {
            name: [round(sizes[0].get(name, 0)), round(sizes[-1].get(name, 0))] for name in sorted(sizes[-1])
        },
        "how `shop check` ended": seen.check_error or "with a verdict",
    }


def _told(tally: Tally, bit: int) -> dict[str, object]:
    """The results of one input as JSON. Empty parts are left out."""
    told = {
        "given": tally.given,
        "bit": bit,
        "answers": dict(tally.answers),
        "wrong": dict(tally.wrong),
        "trouble": dict(tally.trouble),
    }
    return {name: value for name, value in told.items() if value or name == "bit"}
