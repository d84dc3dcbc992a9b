"""One experiment, carried out by Chaos Toolkit on a shop of its own, and judged."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from chaoslib.exceptions import ChaosException
from chaoslib.experiment import ensure_experiment_is_valid, run_experiment
from chaoslib.run import RunEventHandler
from chaoslib.types import Schedule, Strategy

from shop_chaos import open_faults, run_record, runner_lock, system, verdict
from shop_chaos.catalogue import Experiment, faults
from shop_chaos.customers import Customers
from shop_chaos.run_record import RunRecord
from shop_chaos.system import System
from shop_chaos.verdict import Result
from shop_lab.testbed import TRACED, fresh_testbed
from shop_oracle.errors import EvidenceMissing
from shop_oracle.gather import gather
from shop_oracle.report import Verdict, judge
from shop_stack.connect import TargetKind, chosen_kind
from shop_stack.errors import UserError
from shop_stack.paths import state_folder

SHOP = "chaos-shop"
"""The folder of the shop that is started for experiments, in that of the stack."""
PORTS_ABOVE = 400
"""The distance between its ports and those of the shop, so that a running shop or benchmark is not disturbed."""
LOOK_SECONDS = 3
"""Seconds between two looks at the invariants that hold at every moment."""
REST_SECONDS = 180.0
"""The longest time until the shop is at rest after an experiment."""
ROLL_BACK_ALWAYS = {"runtime": {"rollbacks": {"strategy": "always"}}}

Tell = Callable[[str], None]
"""Called with the name of each step."""

logging.getLogger("chaostoolkit").setLevel(
    logging.CRITICAL + 1
)  # its journal has everything, and Tell the steps


class Telling(RunEventHandler):  # type: ignore[misc]  # chaoslib is not typed
    """Passes the name of each activity on."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def start_activity(self, activity: Mapping[str, Any]) -> None:
        """Called by Chaos Toolkit. Probes are left out, because they are asked every few seconds."""
        if activity.get("type") == "action":
            self._tell(str(activity["name"]))


@contextmanager
def chosen_shop(settings: Mapping[str, str], tell: Tell, brokers: int = 1) -> Iterator[System]:
    """A fresh shop of processes, or the shop that runs in containers or on a cluster, if SHOP_TARGET names it.

    Raises UserError if another runner is at work, or if a fault of an earlier run is still in force; and
    TargetMissing.
    """
    with runner_lock.held():
        _require_no_open_fault()
        if chosen_kind() is TargetKind.EMBEDDED:
            with _own_shop(settings, tell, brokers) as present:
                yield present
        else:
            with _running_shop() as present:
                yield present


@contextmanager
def _running_shop() -> Iterator[System]:
    """The shop that SHOP_TARGET names, for the activities. It stays. Raises TargetMissing."""
    with system.running() as present:
        system.use(present)
        try:
            yield present
        finally:
            system.use(None)


def _require_no_open_fault() -> None:
    if found := list(open_faults.read_all().values()):
        raise UserError(
            f"{found[0].sentence} of an earlier run is still in force: `shop chaos rollback` undoes it."
        )


@contextmanager
def _own_shop(settings: Mapping[str, str], tell: Tell, brokers: int = 1) -> Iterator[System]:
    """A fresh shop whose services have these settings. It is removed at the end of the context."""
    with asyncio.Runner() as loop:
        stack = AsyncExitStack()
        starting = fresh_testbed(
            lambda part, what: tell(f"{part}: {what}"),
            SHOP,
            PORTS_ABOVE,
            {**TRACED, **settings},
            brokers=brokers,
        )
        testbed = loop.run(stack.enter_async_context(starting))
        present = System(testbed.stack, testbed.target)
        system.use(present)
        try:
            yield present
        finally:
            system.use(None)
            loop.run(stack.aclose())


def check(experiment: Experiment) -> None:
    """Have Chaos Toolkit validate an experiment. Raises UserError."""
    try:
        ensure_experiment_is_valid(copy.deepcopy(dict(experiment.document)))
    except ChaosException as error:
        raise UserError(f"{experiment.name} is no experiment of Chaos Toolkit: {error}") from None


def carry_out(
    experiment: Experiment, on: System, tell: Tell, given: Mapping[str, Any] | None = None
) -> Result:
    """Carry out an experiment on a running shop, undo its faults, and judge it.

    `given` are values that replace those of its configuration.

    Raises KeyboardInterrupt if it was interrupted; its faults are undone then, too.
    """
    check(experiment)
    record = run_record.start(tell)
    watched = bool(experiment.own.get("watched", True))
    began = time.monotonic()
    with Customers(on.target, float(experiment.own["rate"]), experiment.patience_seconds) as customers:
        record.customers = customers
        journal = run_experiment(
            copy.deepcopy(dict(experiment.document)),
            settings=ROLL_BACK_ALWAYS,
            experiment_vars=(dict(given or {}), {}),
            strategy=Strategy.CONTINUOUS if watched else Strategy.DEFAULT,
            schedule=Schedule(
                continuous_hypothesis_frequency=experiment.look_seconds or LOOK_SECONDS, fail_fast=True
            ),
            event_handlers=[Telling(tell)],
        )
        healed = time.monotonic()
        keep(experiment, journal)
        if journal["status"] == "interrupted":
            raise KeyboardInterrupt
        customers.leave()
    oracle, unreadable = _judged(on, tell)
    troubles = [*troubles_in(journal), *([customers.trouble] if customers.trouble else []), *unreadable]
    seconds = (healed - began, time.monotonic() - healed)
    result = _result(experiment, record, troubles, oracle, customers.placed, seconds)
    if result.ruling == "vacuous":
        result = replace(result, reasons=[*result.reasons, *troubles_in(journal, injecting=True)])
    return replace(result, configuration={**experiment.configuration, **_own(experiment, given or {})})


def _own(experiment: Experiment, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given values that this experiment has a name for."""
    return {name: value for name, value in given.items() if name in experiment.configuration}


def _judged(on: System, tell: Tell) -> tuple[Verdict | None, list[str]]:
    """The nine invariants at rest, or why they could not be judged."""
    try:
        return judge(asyncio.run(gather(on.target, REST_SECONDS, tell))), []
    except EvidenceMissing as error:
        return None, [str(error)]


def _result(
    experiment: Experiment,
    record: RunRecord,
    troubles: list[str],
    oracle: Verdict | None,
    orders: int,
    seconds: tuple[float, float],
) -> Result:
    injected = {name: faults().of(name).must_be_seen for name in record.injected}
    musts = verdict.musts_of(injected, record)
    reasons = verdict.reasons_of(record, troubles, oracle)
    unseen = verdict.unseen_in(record, musts, watched=bool(experiment.own.get("watched", True)))
    return Result(
        experiment.name,
        experiment.title,
        verdict.ruling_of(reasons, unseen),
        experiment.expected,
        reasons or unseen,
        musts,
        record.looks,
        orders,
        round(seconds[1], 1),
        round(sum(seconds), 1),
        [number for outcome in record.outcomes for number in (*outcome.values, *outcome.seen)],
        oracle=None if oracle is None else oracle.as_json(),
    )


def troubles_in(journal: Mapping[str, Any], *, injecting: bool = False) -> list[str]:
    """The activities that failed, one sentence each: those that inject a fault, or all others.

    A fault that could not be injected has no counts, so the verdict is vacuous.
    """
    activities = [*journal["run"], *journal["rollbacks"]]
    return [
        f"{run['activity']['name']}: {run['exception'][-1].strip()}"
        for run in activities
        if run["status"] == "failed" and (run["activity"]["provider"]["func"] == "inject") is injecting
    ]


def keep(experiment: Experiment, journal: Mapping[str, Any]) -> Path:
    """Write a journal of Chaos Toolkit into .shop/chaos/journals. Returns its file."""
    name = f"{experiment.name.replace('/', '-')}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    file = state_folder() / "chaos" / "journals" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(journal, indent=2, default=str))
    return file
