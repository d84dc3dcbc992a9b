"""Each OpenAPI document of today against its last released text: `shop contracts apis`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from shop_contracts.apis.callers import callers_of
from shop_contracts.apis.differ import Change, breaking_changes
from shop_contracts.contracts import Contracts
from shop_contracts.releases.freezing import MANAGEMENT, last_number
from shop_contracts.releases.release import read_unchecked, services, versions
from shop_stack.errors import UserError

Differ = Callable[[Path, Path, Path], Sequence[Change]]
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
GONE = Change("api-document-removed", "", "", "the whole API is gone")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DEPRECATE = (
    "keep it and mark it `deprecated` (and with its last day in `x-sunset`), release that, and remove it "
    "when no deployed release of a consumer uses it"
)
CURES = (
    ("before-sunset", "leave it until that day"),
    ("new-required-request", "make it optional, and give it a default"),
    ("became-required", "leave it optional, and give it a default"),
    ("request-", "accept what was accepted before"),
    ("security", "accept the credentials that were accepted before"),
    ("response-property-enum-value-added", "send the new value in a new field"),
    ("response-success-status-removed", "answer with the same status as before"),
    ("removed", DEPRECATE),
    ("response-", "answer as before, and send the new form in a new field"),
)
"""A part of a rule's name → the way out. The first one that is in the name counts."""
OTHERWISE = "leave it as it was, and give the new form a path of its own"


@dataclass(frozen=True, slots=True)
class Finding:
    """A change that a client of the last released text does not survive."""

    api: str
    operation: str
    place: str
    since: str
    """The released text that has promised it first, and the release that had this text."""
    consumers: tuple[str, ...]
    what: str
    cure: str

    @property
    def sentence(self) -> str:
        """The finding in words: operation, change, since when, who calls it, and the way out."""
        subject = f"{self.operation} of {self.api}" if self.operation else self.api
        names = ", ".join(self.consumers)
        use = "read" if self.place else "call"
        callers = f"Consumers that {use} it: {names}." if names else f"No consumer {use}s it."
        return f"{subject}: {self.what}. Promised since {self.since}. {callers} Way out: {self.cure}."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found for one document. `compared` is the number of its last released text; 0 if there is none."""

    api: str
    compared: int
    findings: tuple[Finding, ...]

    def as_json(self) -> dict[str, Any]:
        """The verdict for programs."""
        return {
            "api": self.api,
            "compared": self.compared,
            "holds": not self.findings,
            "findings": [{**asdict(finding), "sentence": finding.sentence} for finding in self.findings],
        }


def check(contracts: Contracts, differ: Differ = breaking_changes) -> list[Verdict]:
    """The verdict on each document of today, and on each that was released.

    Raises UserError if a document is missing or damaged, or if the differ is not built.
    """
    folder = contracts.folder / "openapi"
    released = {file.name.split(".")[0] for file in (folder / "released").glob("*.yaml")}
    return [
        _verdict(contracts, name, differ)
        for name in sorted(released | {f.stem for f in folder.glob("*.yaml")})
    ]


def _verdict(contracts: Contracts, api: str, differ: Differ) -> Verdict:
    folder = contracts.folder / "openapi"
    today = folder / f"{api}.yaml"
    texts = [folder / "released" / f"{api}.{number + 1}.yaml" for number in range(_last(folder, api))]
    if not texts:
        return Verdict(api, 0, ())
    if not today.is_file():
        found: Sequence[Change] = [GONE]
    else:
        found = differ(contracts.root, texts[-1], today)
    if not found:
        return Verdict(api, len(texts), ())
    operations = operations_in(texts[-1])
    earlier = [set(differ(contracts.root, text, today)) if today.is_file() else {GONE} for text in texts[:-1]]
    providers = services(contracts.root) if api == MANAGEMENT else [api]
    findings = (
        Finding(
            api=api,
            operation=change.operation,
            place=change.place,
            since=_label(contracts.root, api, _since(change, earlier)),
            consumers=callers_of(
                contracts,
                providers,
                operations,
                change.operation,
                change.place if change.is_about_an_answer else "",
            ),
            what=change.what,
            cure=cure_of(change),
        )
        for change in found
    )
    return Verdict(api, len(texts), tuple(findings))


def _last(folder: Path, api: str) -> int:
    return last_number((folder / "released").glob("*"), rf"{api}\.(\d+)\.yaml")


def _since(change: Change, earlier: Sequence[set[Change]]) -> int:
    """The number of the first released text that promises what a change breaks, without a gap up to the last one."""
    number = len(earlier) + 1
    while number > 1 and change in earlier[number - 2]:
        number -= 1
    return number


def _label(root: Path, api: str, number: int) -> str:
    """A released text, with the first release that has it. The management API belongs to no single service."""
    if api in services(root):
        for version in versions(root, api):
            release = read_unchecked(root, api, version)
            if release.api.openapi == number:
                return f"{api} {version} ({release.date.isoformat()}, released text {number})"
    return f"released text {number}"


def cure_of(change: Change) -> str:
    """The way out of a change; it completes the sentence "Way out: …"."""
    return next((cure for part, cure in CURES if part in change.rule), OTHERWISE)


def operations_in(document: Path) -> list[str]:
    """The operations of a document, such as `GET /orders/{order_id}`. Raises UserError if it is no such document."""
    try:
        paths = yaml.load(document.read_text(), Loader=LOADER)["paths"]
        return [
            f"{method.upper()} {path}"
            for path, entry in paths.items()
            for method in entry
            if method in METHODS
        ]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        raise UserError(f"{document} is no OpenAPI document: take it back out of git.") from None
