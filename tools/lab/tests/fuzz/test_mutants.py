"""Mutants follow from their spec: the same one again, a part of one, and each step on each event."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from shop_lab.experiments.foreign_inputs.batches import Record
from shop_lab.fuzz.draft import Draft
from shop_lab.fuzz.mutants import STEPS, Contracts, Mutant, Spec, make, read_contracts, simpler, spec_of
from shop_stack.errors import UserError
from shop_stack.paths import repository

MUTANTS = 300


@pytest.fixture(scope="module")
def contracts() -> Contracts:
    return read_contracts(repository() / "contracts")


def content(mutant: Mutant) -> tuple[object, ...]:
    """All of a mutant but its key, its ids and its time, which are new each time."""
    draft = mutant.draft
    key = draft.key or b""
    named = [(name, value) for name, value in draft.headers if not name.startswith(b"ce_")]
    value = (draft.value or b"").replace(key, b"") if key else draft.value
    return mutant.steps, draft.topic.name, named, value if len(mutant.steps) == 1 else None


def test_a_spec_makes_the_same_mutant_again(contracts: Contracts) -> None:
    steps_on_data = ("a missing field", "a value of another type")
    for number in range(MUTANTS):
        one, again = make(contracts, Spec(7, number)), make(contracts, Spec(7, number))
        assert one.steps == again.steps
        if one.steps in [[name] for name in steps_on_data]:
            assert content(one) == content(again)


def test_seeds_and_numbers_make_different_mutants(contracts: Contracts) -> None:
    made = {tuple(make(contracts, Spec(seed, n)).steps) for seed in (1, 2) for n in range(MUTANTS)}
    assert {step for steps in made for step in steps} == set(STEPS)


def test_a_step_is_the_same_if_another_one_is_left_out(contracts: Contracts) -> None:
    whole = next(
        found
        for number in range(10_000)
        if "another type" in (found := make(contracts, Spec(3, number))).steps and len(found.steps) == 2
    )
    at = whole.steps.index("another type")
    alone = make(contracts, replace(whole.spec, kept=(at,)))
    assert list(alone.steps) == ["another type"]
    assert alone.draft.header(b"ce_type") == whole.draft.header(b"ce_type")
    assert alone.spec in simpler(whole)


def test_a_mutant_of_one_step_cannot_be_simpler(contracts: Contracts) -> None:
    one = next(m for n in range(100) if len((m := make(contracts, Spec(1, n))).steps) == 1)
    assert simpler(one) == []


def test_the_name_of_a_mutant_is_in_a_header_of_it(contracts: Contracts) -> None:
    untouched = make(contracts, Spec(5, 1, ()))
    assert untouched.draft.header(b"fuzz") == b"5:1:"
    assert untouched.steps == []


@pytest.mark.parametrize("step", STEPS)
def test_each_step_can_be_made_on_each_event(contracts: Contracts, step: str) -> None:
    types: set[str] = set()
    for number in range(MUTANTS):
        draft = make(contracts, Spec(11, number, ())).draft
        changed = STEPS[step][1](draft, random.Random(number))
        assert isinstance(changed, Draft)
        assert changed.batch
        types.add(draft.type)
    assert types == set(contracts.schemas)


@pytest.mark.parametrize("step", [name for name in STEPS if name != "a damaged batch"])
def test_each_step_changes_what_is_sent(contracts: Contracts, step: str) -> None:
    draft = make(contracts, Spec(2, 0, ())).draft
    before = [Record(draft.key, draft.value, draft.headers)]
    made = [STEPS[step][1](draft, random.Random(n)) for n in range(20)]
    assert any(one.records != before or one.codec for one in made)


@pytest.mark.parametrize(("text", "spec"), [("7:12", Spec(7, 12)), ("7:12:0,2", Spec(7, 12, (0, 2)))])
def test_the_text_of_a_spec_names_it(text: str, spec: Spec) -> None:
    assert spec_of(text) == spec
    assert str(spec) == text


@pytest.mark.parametrize("text", ["7", "a:1", "1:2:x", "1:2:3:4", ""])
def test_a_text_that_names_no_mutant_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(UserError, match="SEED:NUMBER"):
        spec_of(text)
