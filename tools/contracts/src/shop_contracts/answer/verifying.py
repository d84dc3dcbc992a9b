"""A pair is verified: the provider's own tests compare its release with the expectations of the consumer's release."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from shop_contracts.answer import kept
from shop_contracts.answer.findings import Finding, Report, read_report
from shop_contracts.answer.pairs import Pair, Party
from shop_contracts.answer.workplace import command, content_of, environment, files_of, provider_of, workplace
from shop_contracts.releases.providers import path_of
from shop_stack.errors import UserError
from shop_stack.process import run

FORM = "pair-1"
"""The form of the kept outcomes. It changes where the same comparison could have another outcome."""
PASSED, FAILED, NOTHING_SELECTED = 0, 1, 5
"""Exit codes of pytest."""

Compare = Callable[[Path, Party, Sequence[Pair]], Awaitable[Report]]


async def run_tests(root: Path, provider: Party, pairs: Sequence[Pair]) -> Report:
    """Run the provider's tests on the expectations of some consumers. Raises UserError if they cannot be run."""
    place = await provider_of(root, provider)
    tests = files_of(place)
    if not tests:
        return Report((), frozenset())
    files = {path_of(pair.consumer.name, provider.name): pair.text for pair in pairs}
    with TemporaryDirectory(prefix="shop-report-") as folder, workplace(place, files) as cwd:
        report = Path(folder) / "report.xml"
        code, output = await run(command(place, tests, report), env=environment(), cwd=cwd)
        if code == NOTHING_SELECTED:
            return Report((), frozenset())
        if code not in (PASSED, FAILED) or not report.is_file():
            raise UserError(
                f"The tests of {provider.name} {provider.version} could not be run: {_reason(output)}"
            )
        return read_report(report.read_text(), [one for pair in pairs for one in pair.expectations])


async def verify(
    root: Path, pairs: Sequence[Pair], on_step: Callable[[str], None], compare: Compare = run_tests
) -> Mapping[int, tuple[Finding, ...]]:
    """The findings about each pair, by its number in `pairs`. A pair that was verified before is not verified again.

    `on_step` is called with the name of each provider whose tests are run.

    Raises UserError if the code of a release or its environment cannot be had, or if the tests cannot be run.
    """
    keys = [_key(root, pair) for pair in pairs]
    found: dict[int, tuple[Finding, ...]] = {}
    missing: dict[tuple[str, str], list[int]] = {}
    for number, pair in enumerate(pairs):
        outcome = kept.load(root, keys[number])
        if outcome is None:
            missing.setdefault((pair.provider.name, pair.provider.version), []).append(number)
        else:
            found[number] = tuple(Finding(**facts) for facts in outcome["findings"])
    for numbers in missing.values():
        provider = pairs[numbers[0]].provider
        consumers = ", ".join(pairs[number].consumer.name for number in numbers)
        on_step(f"{provider.name} {provider.version} is compared with what {consumers} read")
        report = await compare(root, provider, [pairs[number] for number in numbers])
        for number in numbers:
            found[number] = _of_pair(report, pairs[number])
            kept.keep(root, keys[number], _facts(pairs[number], found[number]))
    return found


def _reason(output: str) -> str:
    """The lines of pytest's output that name an error, or its end."""
    errors = [line for line in output.splitlines() if line.startswith(("E  ", "ERROR"))]
    if errors:
        return " ".join(" ".join(errors).split())[:300]
    return " ".join(output.split())[-300:]


def _of_pair(report: Report, pair: Pair) -> tuple[Finding, ...]:
    consumer = pair.consumer.name
    if consumer not in report.verified:
        provider = f"{pair.provider.name} {pair.provider.version}"
        reason = f"{provider} has no test that compares it with what {consumer} reads."
        way_out = f"write one as docs/decisions/0037 says, and release {pair.provider.name} again"
        return (Finding(consumer, "", "", reason, way_out, pending=False),)
    return tuple(finding for finding in report.findings if finding.consumer == consumer)


def _key(root: Path, pair: Pair) -> str:
    return kept.key_of([FORM, *content_of(root, pair.provider), pair.consumer.name, pair.text])


def _facts(pair: Pair, findings: Sequence[Finding]) -> dict[str, object]:
    return {
        "consumer": f"{pair.consumer.name} {pair.consumer.version}",
        "provider": f"{pair.provider.name} {pair.provider.version}",
        "findings": [asdict(finding) for finding in findings],
    }
