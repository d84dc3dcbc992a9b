"""What is compared: names, and the number of steps."""

from __future__ import annotations

import pytest

from shop_lab.compare.figures import FIGURES, ROWS
from shop_lab.compare.plan import QUICK, SHAPES, planned
from shop_stack.errors import UserError


def test_all_shapes_and_figures_are_compared_if_none_is_named() -> None:
    plan = planned([], [], QUICK)
    assert plan.shapes == tuple(SHAPES)
    assert plan.figures == set(FIGURES)
    assert plan.steps == 5 * (1 + 1 + 3)


def test_shapes_keep_their_order_whatever_the_order_of_the_names() -> None:
    assert planned(["services", "monolith"], ["start"], QUICK, rounds=4).shapes == ("monolith", "services")


def test_the_blast_radius_alone_has_no_rounds() -> None:
    plan = planned(["monolith"], ["blast"], QUICK, rounds=4)
    assert not plan.has_rounds
    assert plan.steps == 2
    assert planned(["monolith"], ["partition", "blast"], QUICK).once == ("blast", "partition")
    assert planned(["monolith"], ["rest"], QUICK, rounds=4).steps == 5


def test_an_unknown_shape_gets_one_sentence_with_the_known_ones() -> None:
    with pytest.raises(UserError) as error:
        planned(["microlith"], [], QUICK)
    assert str(error.value) == (
        "There is no shape 'microlith' to compare: choose from monolith, pairs, services, orchestrated, single."
    )


def test_an_unknown_figure_gets_one_sentence_with_the_known_ones() -> None:
    with pytest.raises(UserError) as error:
        planned([], ["speed"], QUICK)
    assert str(error.value).startswith("There is no figure 'speed': choose from throughput, cpu, bytes,")


def test_each_figure_has_values_and_each_value_a_figure() -> None:
    assert {row.figure for row in ROWS.values()} == set(FIGURES)
    titles = [row.title for row in ROWS.values()]
    assert len(set(titles)) == len(titles)
