"""The expectations in contracts/consumers/<consumer>/<provider>.json: the parts that a consumer reads of a provider.

The consumer's own contract tests write the files, in the format of Pact (V4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop_contracts.texts import read_json
from shop_stack.errors import UserError

MESSAGE = "Asynchronous/Messages"
HTTP = "Synchronous/HTTP"


@dataclass(frozen=True)
class Expectation:
    """One expectation of a consumer.

    `subject` is an event's type, or an operation such as `GET /orders/{id}` with the path as the consumer calls it.
    `fields` are the places that the consumer reads in the data or in the answer's body, as in `total.amount_minor` and
    `lines[].sku`, with all places above them. `headers` are the headers of a message that it reads, in lower case.
    A `pending` expectation is reported and does not block.
    """

    consumer: str
    provider: str
    description: str
    subject: str
    fields: frozenset[str]
    headers: frozenset[str]
    pending: bool
    is_event: bool

    def reads(self, place: str) -> bool:
        """Whether the consumer reads a place, a part of it, or the whole event (an empty place)."""
        return not place or place in self.fields


def read_expectations(folder: Path) -> dict[str, list[Expectation]]:
    """Provider → the expectations that a consumer has of it. `folder` is named after the consumer. Raises UserError."""
    return {file.stem: list(_in_file(file, folder.name)) for file in sorted(folder.glob("*.json"))}


def _in_file(file: Path, consumer: str) -> Iterator[Expectation]:
    return expectations_in(read_json(file), str(file), consumer, file.stem)


def expectations_in(pact: Any, file: str, consumer: str, provider: str) -> Iterator[Expectation]:
    """The expectations in a Pact document. `file` names it in errors. Raises UserError if it is no such document."""
    try:
        for interaction in pact["interactions"]:
            yield _expectation(interaction, consumer, provider)
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{file} is no Pact file of version 4 ({error!r}): do not edit it, run the contract tests of {consumer}."
        ) from None


def _expectation(interaction: Mapping[str, Any], consumer: str, provider: str) -> Expectation:
    is_event = interaction["type"] == MESSAGE
    body: Any
    if is_event:
        metadata = interaction.get("metadata", {})
        subject = str(metadata["ce_type"])
        headers = frozenset(name.lower() for name in metadata)
        body = interaction.get("contents", {}).get("content")
    else:
        request = interaction["request"]
        subject = f"{request['method'].upper()} {request['path']}"
        headers = frozenset()
        body = interaction.get("response", {}).get("body", {}).get("content")
    return Expectation(
        consumer,
        provider,
        str(interaction["description"]),
        subject,
        frozenset(places_in(body)),
        headers,
        bool(interaction.get("pending", False)),
        is_event,
    )


def places_in(value: Any, at: str = "") -> Iterator[str]:
    """The places in a JSON value: `total`, `total.amount_minor`, `lines`, `lines[]`, `lines[].sku`."""
    if isinstance(value, Mapping):
        for name, child in value.items():
            place = f"{at}.{name}" if at else name
            yield place
            yield from places_in(child, place)
    elif isinstance(value, list):
        for child in value:
            yield f"{at}[]"
            yield from places_in(child, f"{at}[]")
