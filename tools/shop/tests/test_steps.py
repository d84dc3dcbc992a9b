"""Long work tells how far it is, with and without a terminal."""

import io

from rich.console import Console

from shop.steps import Steps


def told(*happenings: tuple[float, str], total: float | None = 4, terminal: bool = False) -> list[str]:
    """What is written while things happen at these seconds, behind one of `total` pieces of the work."""
    out, clock = io.StringIO(), [0.0]
    steps = Steps(Console(file=out, force_terminal=terminal))
    steps.get_time = lambda: clock[0]
    task = steps.add_task("starting", total=total)
    steps.advance(task)
    for clock[0], what in happenings:
        steps.update(task, description=what)
    return out.getvalue().splitlines()


def test_without_a_terminal_a_step_is_a_line_that_says_when_and_how_far() -> None:
    assert told((0, "warming up"), (75, "round 1: [shop]")) == [
        "0:00:00  25 % warming up",
        "0:01:15  25 % round 1: [shop]",
    ]


def test_of_work_without_a_known_length_no_share_is_told() -> None:
    assert told((7, "judging"), total=None) == ["0:00:07 judging"]


def test_what_is_said_again_is_no_line_of_its_own() -> None:
    assert len(told((0, "3 of 200 joins"), (1, "3 of 200 joins"), (2, "4 of 200 joins"))) == 2


def test_on_a_terminal_there_is_the_bar_and_no_line() -> None:
    assert told((0, "warming up"), (75, "round 1: shop"), terminal=True) == []
