"""The changes of an OpenAPI document that break a client. oasdiff finds them; `make check-apis` builds it."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop_stack.errors import UserError

PROGRAM = Path(".shop/oasdiff")
"""From the root of the clone."""
BUILD = "`make check-apis` builds it, and needs Go 1.26 or later"
PARAMETER = re.compile(r"parameter `([^`]+)`")
FIELD = re.compile(r"property `([^`]+)`|`([^`]+)` (?:request|response)(?:'s)? property")
"""The part of a sentence of oasdiff that names a field. That of a parameter has the parameter, too, which counts."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change that breaks a client. It is the same change in two comparisons if all of it is equal."""

    rule: str
    """The name that oasdiff gives it, such as ``response-property-type-changed``."""
    operation: str
    """Method and path, such as ``GET /orders/{order_id}``; empty if it concerns the whole document."""
    place: str
    """The field, such as ``lines[].sku``, or the parameter; empty if it concerns the whole operation."""
    what: str
    """A sentence without a subject and a full stop."""

    @property
    def is_about_an_answer(self) -> bool:
        """Whether it concerns a field of the operation's answers, and not a request."""
        return bool(self.place) and self.rule.startswith("response-")


def breaking_changes(root: Path, old: Path, new: Path) -> list[Change]:
    """The changes from one document to another that break a client, each once.

    Raises UserError if oasdiff is not built, or if it cannot read a document.
    """
    program = root / PROGRAM
    command = [str(program), "breaking", "--format", "json", str(old), str(new)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        raise UserError(f"oasdiff is missing ({program}): {BUILD}.") from None
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[-300:]
        raise UserError(f"oasdiff could not compare {old.name} with {new.name}: {said}")
    return changes_in(done.stdout)


def changes_in(report: str) -> list[Change]:
    """The changes in a report of oasdiff, in its order, each once. Raises UserError if it is no such report."""
    try:
        found = json.loads(report) if report.strip() else []
        return list(dict.fromkeys(_change(facts) for facts in found))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"The report of oasdiff cannot be read ({error!r}): {BUILD}.") from None


def _change(facts: dict[str, Any]) -> Change:
    method, path = facts.get("operation", ""), facts.get("path", "")
    text = str(facts["text"])
    named = PARAMETER.search(text) or FIELD.search(text)
    field = next((group for group in named.groups() if group), "") if named else ""
    return Change(str(facts["id"]), f"{method} {path}".strip(), place_of(field), text)


def place_of(path: str) -> str:
    """A field as oasdiff names it, as a place: `lines/items/sku` is `lines[].sku`."""
    place = ""
    for part in path.split("/"):
        if part == "items":
            place += "[]"
        else:
            place += f".{part}" if place else part
    return place
