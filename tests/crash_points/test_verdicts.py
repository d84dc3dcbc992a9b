"""Trials are planned by seed, a violation is narrowed down, and a point that was not reached is not green."""

from collections import Counter
from collections.abc import Sequence

import pytest

from shop_stack.errors import UserError
from tests.crash_points.discovery import Reached
from tests.crash_points.injection import KINDS
from tests.crash_points.matrix import groups_of, narrowed
from tests.crash_points.subject import Trial, parsed
from tests.crash_points.verdicts import Outcome, Report, Run

POINTS = [f"chassis.outbox.relay:Relay.run:{number}" for number in range(1, 9)]
TRIALS = [Trial("payments", "kill", point) for point in POINTS]


@pytest.mark.parametrize(
    "trial",
    [TRIALS[0], Trial("orders", "freeze", POINTS[1], 7), Trial("orders", "cancel", POINTS[2], 2, True)],
)
def test_the_title_of_a_trial_is_the_line_that_replays_it(trial: Trial) -> None:
    assert parsed(trial.title) == trial


@pytest.mark.parametrize(
    "title",
    ["", "payments", "payments melt a:b:1", "payments kill a:b:1 0", "payments kill a:b:1 x", "a b c d e f"],
)
def test_a_text_that_is_no_trial_is_refused_with_the_cure(title: str) -> None:
    with pytest.raises(UserError, match="write"):
        parsed(title)


def reached() -> Reached:
    found = Reached("payments")
    found.add_life(Counter({POINTS[0]: 9, POINTS[1]: 40}), Counter({POINTS[0]: 9, POINTS[2]: 1}))
    found.add_life(Counter({POINTS[0]: 3}), Counter({POINTS[0]: 3, POINTS[2]: 2}))
    return found


def test_a_point_is_known_by_when_it_is_reached() -> None:
    assert reached().under_load == {POINTS[0]: 3, POINTS[1]: 40}
    assert reached().only_at_stop == {POINTS[2]: 1}


def test_each_reached_point_is_tried_with_each_kind() -> None:
    trials = reached().trials(KINDS, 5)
    assert {(trial.kind, trial.point) for trial in trials} == {(k, p) for k in KINDS for p in POINTS[:3]}
    assert {trial.point for trial in trials if trial.at_stop} == {POINTS[2]}


def test_the_seed_chooses_occurrences_that_are_reached() -> None:
    by_seed = [reached().trials(KINDS, seed) for seed in range(20)]
    assert by_seed == [reached().trials(KINDS, seed) for seed in range(20)]
    assert {t.occurrence for trials in by_seed for t in trials if t.point == POINTS[0]} == {1, 2, 3}
    assert max(t.occurrence for trials in by_seed for t in trials) <= 12


def test_trials_of_one_service_and_one_kind_share_a_verdict() -> None:
    trials = [*TRIALS, Trial("payments", "freeze", POINTS[0]), Trial("orders", "freeze", POINTS[0])]
    assert [len(group) for group in groups_of(trials, 3)] == [3, 3, 2, 1, 1]


@pytest.mark.parametrize(
    ("guilty", "smallest"),
    [
        ({POINTS[5]}, [TRIALS[5]]),
        ({POINTS[0]}, [TRIALS[0]]),
        ({POINTS[0], POINTS[7]}, TRIALS),  # neither half has both
        ({POINTS[4], POINTS[5]}, TRIALS[4:6]),
        ({"a race"}, TRIALS),  # it does not happen again
    ],
)
async def test_a_violation_is_narrowed_down_to_the_smallest_part_that_shows_it(
    guilty: set[str], smallest: Sequence[Trial]
) -> None:
    async def show(trials: Sequence[Trial]) -> list[str]:
        return ["again"] if guilty <= {trial.point for trial in trials} else []

    trials, found = await narrowed(TRIALS, ["first"], show)
    assert (trials, found) == (smallest, ["first" if len(smallest) == len(TRIALS) else "again"])


@pytest.mark.parametrize(
    ("outcomes", "holds"),
    [
        ([Outcome.HOLDS, Outcome.HOLDS], True),
        ([Outcome.HOLDS, Outcome.VACUOUS], False),
        ([Outcome.HOLDS, Outcome.VIOLATED], False),
        ([], False),
    ],
)
def test_a_run_holds_only_if_it_had_trials_and_each_of_them_holds(
    outcomes: Sequence[Outcome], holds: bool
) -> None:
    report = Report(seed=1, runs=[Run(TRIALS[0], outcome) for outcome in outcomes])
    assert report.holds is holds
    assert report.as_json()["holds"] is holds
