"""Several experiments, one after the other. Those with the same settings share a shop while the invariants hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from shop_chaos import needs, runner, verdict
from shop_chaos.catalogue import PLANTED, Experiment, Faults
from shop_chaos.runner import Tell
from shop_chaos.system import System
from shop_chaos.verdict import Result


@dataclass
class Shops:
    """Starts a shop when an experiment needs one, and removes it when the next one needs another."""

    tell: Tell
    _stack: ExitStack = field(default_factory=ExitStack)
    _kind: tuple[dict[str, str], int] | None = None
    """The settings and the number of brokers of the shop that runs."""
    _present: System | None = None

    def of(self, experiment: Experiment) -> System:
        """A shop with the settings and the brokers of an experiment."""
        kind = experiment.settings, experiment.brokers
        if self._present is None or self._kind != kind:
            self.remove()
            self._present = self._stack.enter_context(runner.chosen_shop(kind[0], self.tell, kind[1]))
            self._kind = kind
        return self._present

    def remove(self) -> None:
        """Remove the shop that runs, if there is one."""
        self._present = None
        self._stack.close()


def run(
    experiments: Sequence[Experiment],
    tell: Tell,
    on_result: Callable[[Result], None] = lambda _: None,
    given: Mapping[str, Any] | None = None,
) -> list[Result]:
    """Carry out experiments, and return their results in the same order. One that cannot run here is `not run`.

    `given` are values that replace those of the experiments' configurations.
    """
    shops = Shops(tell)
    results = []
    try:
        for experiment in experiments:
            result = _run_one(experiment, shops, given or {})
            results.append(result)
            on_result(result)
    finally:
        shops.remove()
    return results


def _run_one(experiment: Experiment, shops: Shops, given: Mapping[str, Any]) -> Result:
    if reason := needs.missing(experiment):
        return verdict.not_run(experiment, reason)
    on = shops.of(experiment)
    result = runner.carry_out(experiment, on, lambda what: shops.tell(f"{experiment.name}: {what}"), given)
    # What a violation has left would be found in the next experiment, too.
    if result.ruling == "violated" or experiment.leaves_many_orders:
        shops.remove()
    return result


def chosen(experiments: Iterable[Experiment], *, quick: bool) -> Iterator[Experiment]:
    """All experiments, or the quick ones: planted ones first, because a runner that sees nothing proves nothing."""
    yield from sorted(
        (each for each in experiments if each.is_quick or not quick),
        key=lambda each: not each.name.startswith(f"{PLANTED}/"),
    )


def without_experiment(faults: Faults, experiments: Iterable[Experiment]) -> list[Result]:
    """The faults of the catalogue that no experiment injects, each as a result that is `not run`."""
    injected = {fault for each in experiments for fault in each.faults}
    return [verdict.no_injection(fault) for fault in faults if fault.id not in injected]


def holds(results: Sequence[Result], *, partial: bool) -> bool:
    """Whether every verdict is the expected one. With `partial`, an experiment that was not run does not count."""
    counted = [each for each in results if not (partial and each.ruling == "not run")]
    return bool(counted) and all(each.is_green for each in counted)
