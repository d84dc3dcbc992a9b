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
IF_PRESENT = "readsIfPresent"
"""The comment of an interaction with the fields that are read where they are present: JSON path → JSON type."""


@dataclass(frozen=True)
class Expectation:
    """One expectation of a consumer.

    `subject` is an event's type, or an operation such as `GET /orders/{id}` with the path as the consumer calls it.
    `fields` are the places that the consumer reads in the data or in the answer's body, as in `total.amount_minor` and
    `lines[].sku`, with all places above them. `if_present` are the places that it reads where they are present, with
    everything below them. `headers` are the headers of a message that it reads, in lower case. A `pending` expectation
    is reported and does not block.
    """

    consumer: str
    provider: str
    description: str
    subject: str
    fields: frozenset[str]
    headers: frozenset[str]
    pending: bool
    is_event: bool
    if_present: frozenset[str] = frozenset()

    def reads(self, place: str) -> bool:
        """Whether the consumer reads a place, a part of it, or the whole event (an empty place)."""
        return not place or place in self.fields or self.reads_if_present(place)

    def reads_if_present(self, place: str) -> bool:
        """Whether the consumer reads a place where it is present, and does without it where it is not."""
        return any(place == one or place.startswith((f"{one}.", f"{one}[]")) for one in self.if_present)


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
        frozenset(_place_of(path) for path in interaction.get("comments", {}).get(IF_PRESENT, {})),
    )


def _place_of(path: str) -> str:
    """A JSON path of a consumer's tests as a place: `$.lines[*].note` is `lines[].note`."""
    return path.removeprefix("$.").replace("[*]", "[]")


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
