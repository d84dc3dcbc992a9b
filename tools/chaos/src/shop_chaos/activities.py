"""The actions and probes that the files in chaos/experiments name. Chaos Toolkit calls them.

An action injects a fault of the catalogue or undoes it. Its counts say whether the fault had an effect.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from shop_chaos import injectors, open_faults, run_record, system
from shop_chaos.catalogue import faults
from shop_chaos.measured import MEASURED
from shop_chaos.open_faults import OpenFault
from shop_lab.experiments.experiment import Experiment
from shop_oracle import looks

LOOK_SECONDS = 0.2


def inject(fault: str, **arguments: Any) -> str:
    """Action: inject a fault of the catalogue. `arguments` are those of its injector.

    Raises UserError if the catalogue has no such fault, or if it cannot be injected here.
    """
    injector = faults().of(fault).injector
    asyncio.run(_inject(fault, injector, arguments))
    run_record.current().injected[fault] += 1
    return fault


async def _inject(fault: str, injector: str, arguments: dict[str, Any]) -> None:
    present = system.current()
    chosen = injectors.of(injector, arguments)
    before = await chosen.before(present)
    stack = present.processes
    place = ("", 0) if stack is None else (str(stack.state), stack.ports.base)
    open_faults.write(OpenFault(fault, injector, arguments, before, *place, present.target.name))
    await chosen.inject(present)


def wait(seconds: float) -> str:
    """Action: let the fault last. It returns at once when an invariant that holds at every moment is violated."""
    broken = run_record.current().broken.wait(seconds)
    return "an invariant is violated" if broken else f"{seconds:g} s"


def heal(fault: str = "") -> dict[str, dict[str, int]]:
    """Action and rollback: count the effects of the faults that are in force, and undo them, the last one first.

    With `fault` only those of this id. Returns fault → its counts. A fault that is undone already is no error.
    """
    found: dict[str, dict[str, int]] = {}
    for file, each in reversed(open_faults.read_all().items()):
        if fault in ("", each.fault):
            counts = asyncio.run(_heal(file, each))
            run_record.current().add_seen(each.fault, counts)
            found[each.fault] = counts
    return found


async def _heal(file: Path, fault: OpenFault) -> dict[str, int]:
    """Count the effects while the fault lasts and after it was undone. The larger counts are returned."""
    chosen = injectors.of(fault.injector, fault.arguments)
    present = system.current()
    during = await chosen.seen(present, fault.before)
    await chosen.heal(present)
    open_faults.close(file)
    after = await _seen_later(chosen, fault, during)
    return {name: max(during.get(name, 0), after.get(name, 0)) for name in {**during, **after}}


async def _seen_later(chosen: injectors.Injector, fault: OpenFault, during: dict[str, int]) -> dict[str, int]:
    """Effects that come late, such as duplicates that a consumer drops. Waits for them, at most `late_seconds`."""
    musts = faults().of(fault.fault).must_be_seen
    deadline = time.monotonic() + chosen.late_seconds
    while True:
        after = await chosen.seen(system.current(), fault.before) if chosen.late_seconds else {}
        enough = all(max(during.get(n, 0), after.get(n, 0)) >= least for n, least in musts.items())
        if enough or time.monotonic() > deadline:
            return after
        await asyncio.sleep(LOOK_SECONDS)


def measure(experiment: str, **arguments: Any) -> dict[str, Any]:
    """Action: run a measured experiment of the lab, which injects its own faults. Its numbers have limits."""
    run = MEASURED[experiment]

    async def carry_out() -> dict[str, Any]:
        on = Experiment(system.current().testbed, run_record.current().tell, lambda _: None)
        outcome = await run(on, **arguments)
        run_record.current().outcomes.append(outcome)
        return outcome.as_json()

    return asyncio.run(carry_out())


def always_invariants_hold() -> bool:
    """Probe: whether no invariant that holds at every moment is violated. A part that is down is no violation."""
    found = asyncio.run(looks.look(system.current().target))
    run_record.current().add_look(found)
    return not found.sentences
