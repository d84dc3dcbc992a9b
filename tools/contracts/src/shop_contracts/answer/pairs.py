"""The pairs that meet when a release is deployed: in each, one reads what the other provides."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shop_contracts.expectations import Expectation, expectations_in
from shop_contracts.releases import git
from shop_contracts.releases.model import Release
from shop_contracts.releases.providers import OUTSIDE_SYSTEMS, path_of, require_provider
from shop_contracts.releases.release import ordinal, read_unchecked, services, versions
from shop_stack.errors import UserError

CONSUMERS = "contracts/consumers"
THIS_CLONE = "this clone"
"""The version of a tool, which is not released."""


@dataclass(frozen=True, slots=True)
class Party:
    """A consumer or a provider, in one version."""

    name: str
    release: Release | None
    """None for a tool of this clone."""

    @property
    def version(self) -> str:
        return THIS_CLONE if self.release is None else self.release.version


@dataclass(frozen=True, slots=True)
class Pair:
    """What one consumer reads of one provider, both in one version."""

    consumer: Party
    provider: Party
    expectations: tuple[Expectation, ...]
    text: bytes
    """The expectation file."""
    since: Mapping[str, str]
    """Description of an interaction → the first release of the consumer in a row that has it, with its date."""


@dataclass(frozen=True, slots=True)
class Unwritten:
    """A consumer that reads events of a provider and has no expectation file."""

    consumer: Party
    provider: Party


def parse(text: bytes, file: str, consumer: str, provider: str) -> tuple[Expectation, ...]:
    """The expectations in the text of a file. Raises UserError if it is damaged, or is that of another pair."""
    try:
        pact = json.loads(text)
        names = (pact["consumer"]["name"], pact["provider"]["name"])
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{file} is no Pact file: do not edit it, run the contract tests of {consumer}."
        ) from None
    if names != (consumer, provider):
        raise UserError(
            f"{file} is that of {names[0]} and {names[1]}: do not rename it, run the contract tests of {consumer}."
        )
    return tuple(expectations_in(pact, file, consumer, provider))


def pairs_of(root: Path, asked: Release, others: Sequence[Release]) -> list[Pair | Unwritten]:
    """Every pair of the release that is asked about and what runs beside it, in both directions.

    Raises UserError if an expectation file is damaged, or expects something of an unknown provider.
    """
    for provider in asked.expectations:
        require_provider(root, asked.service, provider)
    me = Party(asked.service, asked)
    found: list[Pair | Unwritten | None] = []
    for other in others:
        them = Party(other.service, other)
        found += [_released(root, them, me), _released(root, me, them)]
    found += [
        _released(root, me, Party(name, None)) for name in OUTSIDE_SYSTEMS if name in asked.expectations
    ]
    found += [_of_a_tool(root, name, me) for name in _tools(root)]
    return [pair for pair in found if pair is not None]


def _tools(root: Path) -> list[str]:
    """The consumers that are no services."""
    folders = sorted(path.name for path in (root / CONSUMERS).glob("*") if path.is_dir())
    return [name for name in folders if name not in services(root)]


def _released(root: Path, consumer: Party, provider: Party) -> Pair | Unwritten | None:
    """The pair of a released consumer. None if it reads nothing of the provider."""
    release = consumer.release
    assert release is not None
    if provider.name not in release.expectations:
        published = () if provider.release is None else provider.release.publishes
        return Unwritten(consumer, provider) if set(release.reads) & set(published) else None
    path = path_of(consumer.name, provider.name)
    [text] = git.contents(root, [f"{release.commit}:{path}"])
    if text is None:
        raise UserError(
            f"{path} of {release.service} {release.version} is not in this clone: fetch the commit "
            f"{release.commit[:12]} with `git fetch` (in a shallow clone `git fetch --unshallow`)."
        )
    expectations = parse(text, path, consumer.name, provider.name)
    return Pair(consumer, provider, expectations, text, _since(root, release, provider.name, expectations))


def _of_a_tool(root: Path, consumer: str, provider: Party) -> Pair | None:
    file = root / path_of(consumer, provider.name)
    if not file.is_file():
        return None
    text = file.read_bytes()
    expectations = parse(text, path_of(consumer, provider.name), consumer, provider.name)
    return Pair(Party(consumer, None), provider, expectations, text, {})


def _since(
    root: Path, release: Release, provider: str, expectations: Sequence[Expectation]
) -> dict[str, str]:
    """Description of each interaction → since which release the consumer has it, without a break."""
    path = path_of(release.service, provider)
    number = ordinal(release.version.partition("+")[0])
    # `resolve` has compared each of these files with its commit, which takes git some milliseconds for each.
    known = [read_unchecked(root, release.service, version) for version in versions(root, release.service)]
    earlier = [one for one in known if ordinal(one.version) <= number and one != release]
    texts = git.contents(root, [f"{one.commit}:{path}" for one in earlier]) if earlier else []
    since = dict.fromkeys((one.description for one in expectations), _label(release))
    unbroken = set(since)
    for one, text in reversed(list(zip(earlier, texts, strict=True))):
        if text is None:
            break
        had = {each.description for each in parse(text, path, release.service, provider)}
        unbroken &= had
        since |= dict.fromkeys(unbroken, _label(one))
    return since


def _label(release: Release) -> str:
    return f"{release.version} ({release.date.isoformat()})"
