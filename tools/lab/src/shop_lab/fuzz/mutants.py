"""Makes the mutant of a seed and a number: a valid event, and the steps that change it."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shop_lab.experiments.foreign_inputs.events import EventTopic, topics_of
from shop_lab.fuzz.data import DATA, WHOLE
from shop_lab.fuzz.draft import Change, Draft
from shop_lab.fuzz.headers import BATCH, HEADERS, VALUE
from shop_stack.errors import UserError

STAGES: Sequence[Mapping[str, tuple[Change, int]]] = (DATA, WHOLE, VALUE, HEADERS, BATCH)
"""The steps are made in this order: those that read the data come first."""
STEPS = {name: (stage, *step) for stage, table in enumerate(STAGES) for name, step in table.items()}
"""Name → stage, change, weight."""
COUNTS, COUNT_WEIGHTS = (1, 2, 3), (6, 3, 1)
MARK = b"fuzz"
"""The header that names the mutant, for people who look at a dead letter."""


@dataclass(frozen=True, order=True)
class Spec:
    """The name of a mutant. As text it is ``SEED:NUMBER``, or ``SEED:NUMBER:1,2`` with the steps that are kept."""

    seed: int
    number: int
    kept: tuple[int, ...] | None = None

    def __str__(self) -> str:
        steps = "" if self.kept is None else ":" + ",".join(map(str, self.kept))
        return f"{self.seed}:{self.number}{steps}"


def spec_of(text: str) -> Spec:
    """The spec that a text names. Raises UserError if it names none."""
    try:
        seed, number, *kept = text.split(":", 2)
        steps = tuple(int(one) for one in kept[0].split(",")) if kept else None
        return Spec(int(seed), int(number), steps)
    except ValueError:
        raise UserError(
            f"{text!r} names no mutant: write SEED:NUMBER or SEED:NUMBER:STEPS, such as 7:12:0,2."
        ) from None


@dataclass(frozen=True)
class Mutant:
    """A record that is ready to be sent, and the names of the steps that made it."""

    spec: Spec
    steps: Sequence[str]
    draft: Draft


@dataclass(frozen=True)
class Contracts:
    """The contracts' topics, with the schema and the examples of each type."""

    topics: Mapping[str, EventTopic]
    schemas: Mapping[str, Mapping[str, Any]]


def read_contracts(folder: Path) -> Contracts:
    """Read topics, schemas and examples. The examples are those of now and those of all releases."""
    topics = {
        name: replace(topic, examples={t: [*now, *_released(folder, t)] for t, now in topic.examples.items()})
        for name, topic in topics_of(folder).items()
    }
    types = [type_ for topic in topics.values() for type_ in topic.examples]
    return Contracts(topics, {type_: _schema(folder, type_) for type_ in types})


def _schema(folder: Path, type_: str) -> Mapping[str, Any]:
    name, _, version = type_.rpartition(".")
    schema: Mapping[str, Any] = json.loads((folder / "events" / name / f"{version}.schema.json").read_text())
    return schema


def _released(folder: Path, type_: str) -> list[dict[str, Any]]:
    """The examples of all releases of an event."""
    name, _, version = type_.rpartition(".")
    files = (folder / "events" / name / "released").glob(f"{version}.*.examples/*.json")
    return [json.loads(file.read_text()) for file in sorted(files)]


def make(contracts: Contracts, spec: Spec) -> Mutant:
    """The mutant of a spec. Its key and its id are new each time, all else follows from the spec."""
    dice = random.Random(f"{spec.seed}/{spec.number}")
    type_ = dice.choice(sorted(contracts.schemas))
    (topic,) = (topic for topic in contracts.topics.values() if type_ in topic.examples)
    names = _drawn(dice)
    event = topic.event(dice, type_)
    headers = (*event.headers.items(), (MARK, str(spec).encode()))
    draft = Draft(topic, type_, contracts.schemas[type_], event.key, event.value, headers)
    kept = range(len(names)) if spec.kept is None else spec.kept
    for number, name in enumerate(names):
        if number in kept:
            # A step has dice of its own, so it makes the same change if another step is left out.
            draft = STEPS[name][1](draft, random.Random(f"{spec.seed}/{spec.number}/{number}"))
    return Mutant(spec, [name for number, name in enumerate(names) if number in kept], draft)


def _drawn(dice: random.Random) -> list[str]:
    """The names of one to three different steps, in the order of their stages."""
    (count,) = dice.choices(COUNTS, COUNT_WEIGHTS)
    names = list(STEPS)
    found = set(dice.choices(names, [STEPS[name][2] for name in names], k=count))
    whole = sorted(found & WHOLE.keys())
    return sorted(found - set(whole[1:]), key=lambda name: (STEPS[name][0], names.index(name)))


def simpler(mutant: Mutant) -> list[Spec]:
    """The specs of the same mutant with one step each; none if it has one step only."""
    kept = mutant.spec.kept or tuple(range(len(mutant.steps)))
    return [replace(mutant.spec, kept=(number,)) for number in kept] if len(kept) > 1 else []
