"""A pair is verified once, and its outcome is kept by everything that was compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shop_contracts.answer.findings import Finding, Report
from shop_contracts.answer.pairs import Pair, Party, pairs_of
from shop_contracts.answer.verifying import verify
from tools.contracts.tests.mini_clone import LENT, Clone, pact

FINDING = Finding(
    "desk", LENT, "fee", "desk reads `fee`, and shelf does not send it.", "keep it", pending=False
)


class ProviderTests:
    """In the place of the provider's tests: they count their runs."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.runs: list[str] = []

    async def __call__(self, _: Path, provider: Party, pairs: Sequence[Pair]) -> Report:
        self.runs.append(f"{provider.name} {', '.join(pair.consumer.name for pair in pairs)}")
        return self.report


def silent(_: str) -> None:
    """Report no step."""


def pair_of(clone: Clone) -> Pair:
    [pair] = pairs_of(clone.root, clone.release("shelf"), [clone.release("desk")])
    assert isinstance(pair, Pair)
    return pair


async def test_a_pair_that_was_verified_is_not_verified_again(clone: Clone) -> None:
    tests = ProviderTests(Report((FINDING,), frozenset({"desk"})))
    pair = pair_of(clone)
    first = await verify(clone.root, [pair], silent, tests)
    second = await verify(clone.root, [pair], silent, tests)
    assert first == second == {0: (FINDING,)}
    assert tests.runs == ["shelf desk"]


async def test_other_expectations_are_verified_anew(clone: Clone) -> None:
    tests = ProviderTests(Report((), frozenset({"desk"})))
    pair = pair_of(clone)
    await verify(clone.root, [pair], silent, tests)
    clone.write("contracts/consumers/desk/shelf.json", pact("desk", "shelf", pages=[]))
    [changed] = pairs_of(clone.root, clone.release("shelf", "0.2.0"), [clone.release("desk", "0.2.0")])
    assert isinstance(changed, Pair)
    await verify(clone.root, [changed], silent, tests)
    assert len(tests.runs) == 2


async def test_other_code_of_the_provider_is_verified_anew(clone: Clone) -> None:
    tests = ProviderTests(Report((), frozenset({"desk"})))
    desk = clone.release("desk")
    for version in ("0.1.0", "0.2.0"):
        clone.write("services/shelf/src/shelf/__init__.py", f"VERSION = '{version}'\n")
        [pair] = pairs_of(clone.root, clone.release("shelf", version), [desk])
        assert isinstance(pair, Pair)
        await verify(clone.root, [pair], silent, tests)
    assert len(tests.runs) == 2


async def test_a_damaged_outcome_is_verified_anew(clone: Clone) -> None:
    tests = ProviderTests(Report((), frozenset({"desk"})))
    pair = pair_of(clone)
    await verify(clone.root, [pair], silent, tests)
    [kept] = (clone.root / ".shop/verified").iterdir()
    kept.write_text("{")
    await verify(clone.root, [pair], silent, tests)
    assert len(tests.runs) == 2


async def test_a_provider_without_such_tests_is_a_finding_and_not_unknown(clone: Clone) -> None:
    found = await verify(clone.root, [pair_of(clone)], silent, ProviderTests(Report((), frozenset())))
    [finding] = found[0]
    assert finding.reason == "shelf 0.1.0 has no test that compares it with what desk reads."
    assert not finding.pending
