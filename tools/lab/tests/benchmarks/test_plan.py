"""What a benchmark does in which order."""

from typing import Any, cast

import pytest

from shop_lab.benchmarks import plan
from shop_lab.benchmarks.benchmark import BASELINE, QUICK, SAMPLED, SETTINGS, SHOP, TURN, UNTRACED, Benchmark
from shop_lab.benchmarks.figures import FIGURES
from shop_lab.cpu import Spent
from shop_lab.trial import Trial
from shop_stack.stack import PROCESSOR


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The variants that were run; none of them really is."""
    names: list[str] = []

    async def run(_: Benchmark, name: str) -> None:
        names.append(name)

    async def warm_up(_: Benchmark) -> None:
        pass

    monkeypatch.setattr(Benchmark, "_run", run)
    monkeypatch.setattr(Benchmark, "_warm_up", warm_up)
    return names


@pytest.mark.parametrize("chosen", [[], ["idle"], ["telemetry"], ["cpu", "scaling"]])
async def test_the_progress_bar_ends_at_its_end(chosen: list[str], ran: list[str]) -> None:
    figures, effort = plan.chosen(chosen), plan.with_rounds(QUICK, 2)
    done: list[None] = []
    bench = Benchmark(cast(Any, None), effort, lambda _: None, lambda: done.append(None))
    await bench.run_loaded({variant for figure in figures for variant in figure.needs})
    assert len(done) + len(figures) == plan.steps(figures, effort)


async def test_every_other_round_is_backwards_and_the_least_difference_is_looked_at_twice(
    ran: list[str],
) -> None:
    bench = Benchmark(cast(Any, None), plan.with_rounds(QUICK, 2), lambda _: None, lambda: None)
    await bench.run_loaded([SHOP, UNTRACED, SAMPLED, BASELINE])
    one = [BASELINE, SHOP, UNTRACED, SAMPLED, SHOP, UNTRACED, SAMPLED]
    assert ran == [*one, *reversed(one), BASELINE]


def test_every_variant_that_a_figure_needs_is_run() -> None:
    assert {variant for figure in FIGURES for variant in figure.needs} == set(TURN)
    assert set(TURN) - {BASELINE} == set(SETTINGS)


def trial(cost_ms: float, speed: float) -> Trial:
    """Of one order, on a machine that needs `speed` times as long for everything."""
    seconds = {"orders": cost_ms * speed / 1000, PROCESSOR: 0.4 * speed / 1000}
    return Trial(1, 1.0, Spent(1.0, seconds), {"o": 0.0}, {"o": 1.0}, [1.0], 0, 0.1 * speed / 1000)


def test_a_machine_that_is_slower_at_times_is_no_cost_of_the_variant_that_ran_then() -> None:
    bench = Benchmark(cast(Any, None), QUICK, lambda _: None, lambda: None)
    bench.trials[UNTRACED] = [trial(5.0, speed) for speed in (1.0, 1.0, 2.0)]
    bench.trials[SHOP] = [trial(6.0, speed) for speed in (1.0, 2.0, 2.0)]
    assert bench.cpu_ms(SHOP) == pytest.approx(12.0)
    assert bench.cpu_ms_at_one_speed([SHOP, UNTRACED]) == pytest.approx({SHOP: 9.0, UNTRACED: 7.5})
