"""Expectation files: what a consumer reads of a provider, in the format Pact V4.

contracts/consumers/<consumer>/<provider>.json. The tests of the consumer write the file. An interaction is a message (an
event) or an HTTP request with its answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop_stack.errors import UserError

CONSUMERS = "contracts/consumers"
OUTSIDE_SYSTEMS = ("processor", "issuer")
"""Providers that are no services: the systems outside of the shop that services call."""


@dataclass(frozen=True, slots=True)
class Interaction:
    """One thing that a consumer reads of a provider."""

    subject: str
    """The type of an event, or method and path of a request: ``GET /orders/{id}``."""
    description: str
    fields: tuple[str, ...]
    """The fields that the consumer reads, as paths: ``total.currency``, ``lines[].sku``."""
    is_message: bool
    pending: bool
    """Whether a failure is reported without blocking."""


@dataclass(frozen=True, slots=True)
class Expectations:
    """Everything that one consumer reads of one provider."""

    consumer: str
    provider: str
    interactions: tuple[Interaction, ...]


def path_of(consumer: str, provider: str) -> str:
    """The file of a pair, from the root of the clone."""
    return f"{CONSUMERS}/{consumer}/{provider}.json"


def read_folder(root: Path, providers: Iterable[str]) -> list[Expectations]:
    """Every expectation file of the clone, by consumer and provider.

    `providers` are the services. Raises UserError if a file is damaged or expects something of an unknown provider.
    """
    known = {*providers, *OUTSIDE_SYSTEMS}
    found = []
    for file in sorted((root / CONSUMERS).glob("*/*.json")):
        shown = str(file.relative_to(root))
        require_provider(file.stem, shown, known)
        found.append(parse(file.read_bytes(), shown, file.parent.name, file.stem))
    return found


def require_provider(provider: str, file: str, known: Iterable[str]) -> None:
    """Raise UserError if a file expects something of a provider that does not exist."""
    names = sorted(known)
    if provider not in names:
        raise UserError(
            f"{file} expects something of {provider!r}, and there is no such provider: it is one of "
            f"{', '.join(names)}. Rename the file, or delete it."
        )


def parse(text: bytes, file: str, consumer: str, provider: str) -> Expectations:
    """The expectations in the text of a file. Raises UserError if it is damaged, or names another pair than its path."""
    try:
        facts = json.loads(text)
        interactions = tuple(_interaction(one) for one in facts["interactions"])
        names = (facts["consumer"]["name"], facts["provider"]["name"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{file} is no expectation file in the format Pact V4: run the contract tests of {consumer}, which write it."
        ) from None
    if names != (consumer, provider):
        raise UserError(
            f"{file} says that {names[0]} reads {names[1]}: run the contract tests of {consumer}, which write it."
        )
    return Expectations(consumer, provider, interactions)


def _interaction(facts: Mapping[str, Any]) -> Interaction:
    is_message = "Messages" in facts["type"]
    if is_message:
        content = facts["contents"].get("content")
        subject = _type_of(facts)
    else:
        body = facts["response"].get("body")
        content = body.get("content") if isinstance(body, dict) else None
        subject = f"{facts['request']['method'].upper()} {facts['request']['path']}"
    return Interaction(
        subject=subject,
        description=str(facts["description"]),
        fields=tuple(fields_of(content)),
        is_message=is_message,
        pending=bool(facts.get("pending", False)),
    )


def _type_of(facts: Mapping[str, Any]) -> str:
    """The type of an event, from the header that the message carries."""
    metadata = facts.get("metadata") or {}
    return str(metadata.get("ce_type") or facts["description"])


def fields_of(content: Any, prefix: str = "") -> list[str]:
    """The paths of the values in a JSON document, each once, in the order of the document."""
    if isinstance(content, str) and not prefix:
        return _fields_of_text(content)
    found: list[str] = []
    if isinstance(content, dict) and content:
        for name, part in content.items():
            found += fields_of(part, f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(content, list) and content:
        for part in content:
            found += fields_of(part, f"{prefix}[]")
    elif prefix:
        found.append(prefix)
    return list(dict.fromkeys(found))


def _fields_of_text(text: str) -> list[str]:
    try:
        content = json.loads(text)
    except ValueError:
        return []
    return [] if isinstance(content, str) else fields_of(content)
