"""Shared by all figures: the testbed, the amount of work, and the loaded runs in alternating order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TypeVar

from shop_lab import trial
from shop_lab.benchmarks import baseline
from shop_lab.benchmarks.baseline import Baseline
from shop_lab.testbed import TRACED, Testbed
from shop_lab.trial import Trial

T = TypeVar("T")

SHOP, NAIVE, UNTRACED, SAMPLED, BASELINE = "shop", "naive", "untraced", "sampled", "baseline"
SETTINGS: Mapping[str, Mapping[str, str]] = {
    SHOP: TRACED,
    NAIVE: {**TRACED, "BATCH_SIZE": "1"},
    UNTRACED: {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_SAMPLER": "always_off"},
    SAMPLED: {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"},
}
"""Variant of the shop → the settings of its services."""

TURN = (BASELINE, NAIVE, *2 * (SHOP, UNTRACED, SAMPLED))
"""The runs of a round. The three variants with the smallest differences run twice, because single runs of one variant
differ by a tenth. After a baseline or naive run PostgreSQL still has deferred work (vacuum, checkpoints)."""


@dataclass(frozen=True, slots=True)
class Effort:
    """The amount of work. More work takes longer and gives more reliable numbers."""

    rounds: int
    orders: int
    """Orders of one loaded run."""
    rows: int
    """Outbox rows that a relay drains."""
    effects: int
    """Events that a consumer handles."""
    samples: int
    """Messages or orders that are timed one by one."""
    idle_seconds: float
    away_seconds: float
    """Seconds for which a service is stopped before it catches up."""


FULL = Effort(
    rounds=3, orders=3_000, rows=100_000, effects=20_000, samples=300, idle_seconds=60, away_seconds=300
)
QUICK = Effort(rounds=1, orders=400, rows=10_000, effects=2_000, samples=60, idle_seconds=10, away_seconds=20)


@dataclass
class Benchmark:
    """A running benchmark."""

    testbed: Testbed
    effort: Effort
    log: Callable[[str], None]
    """Called with the name of each step."""
    done: Callable[[], None]
    """Called after each step of `steps`."""
    trials: dict[str, list[Trial]] = field(default_factory=lambda: defaultdict(list))
    baselines: list[Baseline] = field(default_factory=list)

    async def run_loaded(self, variants: Collection[str]) -> None:
        """Run the loaded variants in turn, every second round backwards. The first variant runs again at the end.

        So a change of the machine's speed affects all variants, and no variant always follows the same other one,
        whose deferred work PostgreSQL does meanwhile.
        """
        order = in_turn(variants)
        if not order:
            return
        await self._warm_up()
        for number, name in there_and_back(order, self.effort.rounds):
            self.log(f"round {number}: {name}")
            await self._run(name)
            self.done()
        self.log(f"closing: {order[0]}")
        await self._run(order[0])
        self.done()

    async def configure(self, variant: str) -> None:
        """Restart the services with the settings of a variant."""
        await self.testbed.configure(SETTINGS[variant])

    async def _warm_up(self) -> None:
        """Run orders before the measurement: Kafka's JVM compiles its hot code, and first pages are allocated."""
        self.log("warming up")
        await self.configure(SHOP)
        await trial.place(self.testbed, max(200, 2 * self.effort.orders), 0)
        await baseline.measure(self.testbed, max(100, self.effort.orders // 4))

    async def _run(self, variant: str) -> None:
        if variant == BASELINE:
            self.baselines.append(await baseline.measure(self.testbed, self.effort.orders))
            return
        await self.configure(variant)
        orders = self.effort.orders // 4 if variant == NAIVE else self.effort.orders
        self.trials[variant].append(await trial.place(self.testbed, orders, 0))

    def ran(self, variant: str) -> bool:
        """Whether a variant has run under load."""
        return bool(self._runs(variant))

    def cpu_ms(self, variant: str) -> float:
        """CPU milliseconds per order, the median over the rounds."""
        return median(run.cpu_ms for run in self._runs(variant))

    def cpu_ms_at_one_speed(self, variants: Collection[str]) -> dict[str, float]:
        """CPU milliseconds per order, corrected for the machine's speed at each run.

        Each run is divided by its own yardstick, then multiplied by the median yardstick of all runs. Use it for
        differences that are smaller than the effect of the machine's speed on single runs (20 % and more).
        """
        runs = {variant: self.trials[variant] for variant in variants}
        usual = median(run.yardstick_ms for trials in runs.values() for run in trials)
        return {
            variant: usual * median(run.cpu_ms / run.yardstick_ms for run in trials)
            for variant, trials in runs.items()
        }

    def rate(self, variant: str) -> float:
        """Orders per second, the median over the rounds."""
        return median(run.rate for run in self._runs(variant))

    def cpu_ms_by_part(self, variant: str) -> dict[str, float]:
        """CPU milliseconds per order by process, each the median over the rounds."""
        runs = [run.cpu_ms_by_part for run in self._runs(variant)]
        return {part: median(run[part] for run in runs) for part in runs[0]}

    def _runs(self, variant: str) -> list[Trial] | list[Baseline]:
        return self.baselines if variant == BASELINE else self.trials[variant]


def in_turn(variants: Collection[str]) -> list[str]:
    """The runs of a round, limited to these variants."""
    return [name for name in TURN if name in variants]


def there_and_back(variants: Sequence[T], rounds: int) -> Iterator[tuple[int, T]]:
    """(number of the round from 1, variant) for each run. Every second round is backwards."""
    for number in range(1, rounds + 1):
        for variant in variants if number % 2 else reversed(variants):
            yield number, variant
