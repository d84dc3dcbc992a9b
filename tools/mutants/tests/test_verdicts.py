"""A verdict is green only if each named test fails, and for the expected reason."""

from pathlib import Path

import pytest

from shop_mutants.catalogue import Mutant
from shop_mutants.testing import Outcome, Results
from shop_mutants.verdicts import Verdict, fault_without_patch, judged

ONE, OTHER = "tests/test_a.py::test_one", "tests/test_a.py::test_other"
MUTANT = Mutant("no-inbox", "the inbox", "pattern", (ONE, OTHER), r"2 == 1", Path("no-inbox.patch"))
PASSED = Outcome("passed", "")
FAILED = Outcome("failed", "assert 2 == 1\n +  where 2 = effects()")


def test_a_mutant_is_caught_if_each_named_test_fails_with_its_message() -> None:
    assert judged(MUTANT, Results({ONE: FAILED, OTHER: FAILED})) == (Verdict.CAUGHT, "")


def test_a_mutant_has_survived_if_one_named_test_passes() -> None:
    verdict, why = judged(MUTANT, Results({ONE: FAILED, OTHER: PASSED}))
    assert (verdict, why) == (Verdict.SURVIVED, f"{OTHER} passes with the patch")


@pytest.mark.parametrize(
    "other",
    [
        Outcome("failed", "NameError: name 'x' is not defined"),
        Outcome("error", "assert 2 == 1, in a fixture"),
        Outcome("skipped", ""),
        Outcome("collected", ""),
    ],
)
def test_a_failure_for_another_reason_proves_nothing(other: Outcome) -> None:
    verdict, why = judged(MUTANT, Results({ONE: FAILED, OTHER: other}))
    assert verdict is Verdict.VACUOUS
    assert why.startswith(f"{OTHER} fails for another reason: {other.outcome}")


def test_a_test_that_disappears_with_the_patch_proves_nothing() -> None:
    assert judged(MUTANT, Results({ONE: FAILED}))[0] is Verdict.VACUOUS


def test_a_run_that_did_not_end_proves_nothing() -> None:
    verdict, why = judged(MUTANT, Results({}, "the tests did not end within 120 s"))
    assert (verdict, why) == (Verdict.VACUOUS, "with the patch: the tests did not end within 120 s")


def test_a_test_with_parameters_fails_if_one_of_them_does() -> None:
    results = Results({f"{ONE}[a]": PASSED, f"{ONE}[b]": FAILED, OTHER: FAILED})
    assert judged(MUTANT, results) == (Verdict.CAUGHT, "")


def test_tests_that_pass_without_the_patch_are_fit_to_judge() -> None:
    assert fault_without_patch(MUTANT, Results({ONE: PASSED, f"{OTHER}[a]": PASSED})) is None


@pytest.mark.parametrize(
    ("results", "why"),
    [
        (Results({ONE: PASSED}), f"there is no test {OTHER}"),
        (Results({ONE: PASSED, OTHER: FAILED}), f"without the patch, {OTHER}: failed assert 2 == 1"),
        (Results({ONE: PASSED, OTHER: Outcome("skipped", "")}), f"without the patch, {OTHER}: skipped"),
        (Results({}, "no answer"), "without the patch: no answer"),
    ],
)
def test_tests_that_do_not_pass_without_the_patch_prove_nothing(results: Results, why: str) -> None:
    assert fault_without_patch(MUTANT, results) == why
