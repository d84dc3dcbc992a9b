"""The findings of Pact's verifier as sentences that name the consumer, the field and the way out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from testkit.expectations.files import PactFile

RULES = "contracts/README.md#rules-of-change"
MISSING = re.compile(r"missing the following keys: (.+)$")


def sentences_of(findings: list[Mapping[str, Any]], file: PactFile) -> list[str]:
    """One sentence for each finding of the verifier. `findings` are the `errors` or `pendingErrors` of its result."""
    told: list[str] = []
    for finding in findings:
        what = _interaction_in(str(finding["interaction"]), file)
        told += [f"{sentence} {_way_out(file)}" for sentence in _sentences(finding["mismatch"], what, file)]
    return list(dict.fromkeys(told))


def _interaction_in(text: str, file: PactFile) -> str:
    """The description of the interaction, with which the verifier's own name for it ends."""
    descriptions = [str(interaction["description"]) for interaction in file.interactions]
    found = [description for description in descriptions if text.endswith(description)]
    return max(found, key=len, default=text)


def _sentences(mismatch: Mapping[str, Any], what: str, file: PactFile) -> Iterator[str]:
    if mismatch["type"] != "mismatches":
        yield (
            f"{file.consumer} expects {what!r} of {file.provider}, which could not be verified: "
            f"{mismatch['message']}."
        )
        return
    for one in mismatch["mismatches"]:
        yield _sentence(one, what, file)


def _sentence(one: Mapping[str, Any], what: str, file: PactFile) -> str:
    said = str(one.get("mismatch", "")).rstrip(".")
    otherwise = f"of {what!r}, and {file.provider} sends it otherwise: {said}."
    match one["type"]:
        case "BodyMismatch":
            path = str(one["path"])
            if missing := MISSING.search(said):
                names = ", ".join(f"`{_joined(path, name.strip())}`" for name in missing[1].split(","))
                return f"{file.consumer} reads {names} of {what!r}, and {file.provider} does not send it."
            return f"{file.consumer} reads `{_joined(path)}` {otherwise}"
        case "MetadataMismatch" | "HeaderMismatch":
            return f"{file.consumer} reads the header `{one['key']}` {otherwise}"
        case "StatusMismatch":
            return (
                f"{file.consumer} expects the status {one['expected']} of {what!r}, and {file.provider} "
                f"answers {one['actual']}."
            )
    return f"{file.consumer} expects {what!r} of {file.provider} otherwise: {said or one}."


def _joined(path: str, name: str = "") -> str:
    """A path without its root: `$.total` and `amount_minor` are `total.amount_minor`."""
    return ".".join(part for part in (path.removeprefix("$").strip("."), name) if part)


def _way_out(file: PactFile) -> str:
    return (
        f"The way out: send it until {file.consumer} no longer reads it ({file.name} says so), "
        f"or offer the new form beside the old one ({RULES})."
    )
