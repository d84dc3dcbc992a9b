"""The consumer's side of events: expectations that are derived from the models with which a service reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pact import Pact

from chassis.events import ConsumedEvent, RawMessage, Undecodable
from chassis.inbox import Subscriptions
from chassis.inbox.reading import read
from testkit.contracts import examples_of, schema_of
from testkit.expectations import files
from testkit.expectations.fields import fields_of
from testkit.expectations.matchers import Matcher, example_of, matching, moment, text, unique_id

NEEDED_HEADERS = ("ce_id", "ce_source", "ce_subject", "ce_time", "ce_type")
"""The headers without which the chassis reads no event. It uses the others where they are."""
UNKNOWN = "invented_tomorrow"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACEPARENT_PATTERN = "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"
IF_PRESENT = "readsIfPresent"
"""The comment of an interaction with the fields that are read where they are present: JSON path → JSON type."""


class UnknownValue(NamedTuple):
    """A list of values that may grow, in an event that a service reads."""

    event_type: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.event_type} {'.'.join(self.path)}"


@dataclass(frozen=True)
class ExpectedEvents:
    """The expectations of a consumer of the events that it handles.

    `pending` maps types of events to the reason for which their provider need not send them yet: they are reported,
    and fail no test of the provider.
    """

    consumer: str
    subscriptions: Subscriptions
    pending: Mapping[str, str] = field(default_factory=dict)

    @property
    def models(self) -> Sequence[type[ConsumedEvent]]:
        """The models of the handled events, by type."""
        return [self.subscriptions.by_type[type_].model for type_ in sorted(self.subscriptions.by_type)]

    @property
    def providers(self) -> Sequence[str]:
        """The services whose events are handled."""
        return sorted({provider_of(model) for model in self.models})

    @property
    def unknown_values(self) -> Sequence[UnknownValue]:
        """The lists of values that may grow, in the handled events."""
        found = [
            UnknownValue(model.event_type, path)
            for model in self.models
            for path in growing_lists(schema_of(model.event_type))
        ]
        return sorted(found)

    def pact(self, provider: str) -> Pact:
        """The expectations of one provider. Raises TypeError for a model of which no example can be made."""
        pact = Pact(self.consumer, provider)
        for model in self.models:
            if provider_of(model) == provider:
                self._add(pact, model)
        return pact

    def _add(self, pact: Pact, model: type[ConsumedEvent]) -> None:
        fields = fields_of(model)
        message = pact.upon_receiving(model.event_type, "Async")
        message.with_body(fields.required, "application/json")
        message.with_metadata(metadata_of(model, fields.required))
        if fields.if_present:
            message.set_comment(IF_PRESENT, json.dumps(fields.if_present, sort_keys=True))
        if reason := self.pending.get(model.event_type):
            message.set_pending(pending=True)
            message.add_text_comment(reason)

    def assert_written(self, *called: str, folder: Path = files.CONSUMERS) -> None:
        """The committed files are what the code reads of each provider. `make contracts` writes them.

        `called` are the providers that the service calls over HTTP. Other tests keep the files of these.

        Raises AssertionError with the rule, the cure and the differing lines, or for a file of any other provider.
        """
        for provider in self.providers:
            files.keep(self.pact(provider), folder)
        files.assert_no_other_files(self.consumer, {*self.providers, *called}, folder)

    def assert_read_and_needed(self) -> None:
        """The service's own decoding accepts what is written down, and refuses it without any one of its parts.

        So the files ask for all that is needed, and for nothing else. Raises AssertionError with the event and the
        part.
        """
        for model in self.models:
            self._assert_read_and_needed(model)

    def _assert_read_and_needed(self, model: type[ConsumedEvent]) -> None:
        interaction = self._interaction_of(model)
        try:
            self._decode(interaction)
        except Undecodable as error:
            raise AssertionError(
                f"{self.consumer} cannot read what it writes down of {model.event_type}: {error}. "
                f"The model {model.__name__} wants more than its types say: give the field an example."
            ) from error
        for path in paths_of(interaction["contents"]["content"]):
            self._assert_needed(
                without_field(interaction, path), f"the field {'.'.join(map(str, path))}", model
            )
        for header in (*NEEDED_HEADERS, "key"):
            self._assert_needed(without_header(interaction, header), header, model)

    def _assert_needed(self, interaction: files.Interaction, part: str, model: type[ConsumedEvent]) -> None:
        try:
            self._decode(interaction)
        except Undecodable:
            return
        raise AssertionError(
            f"{self.consumer} expects {part} of {model.event_type}, and reads the event without it as well"
        )

    def assert_reads_unknown_values(self) -> None:
        """The service reads an event with a value that is in no list. Raises AssertionError with the way out."""
        for value in self.unknown_values:
            self._assert_reads_unknown(value)

    def _assert_reads_unknown(self, value: UnknownValue) -> None:
        model = self.subscriptions.by_type[value.event_type].model
        examples = examples_of(value.event_type)
        assert examples, f"{value.event_type} has no example"
        for example in examples:
            try:
                self._decode(self._interaction_with(model, example))
            except Undecodable as error:
                raise AssertionError(
                    f"{self.consumer} cannot read an example of {value.event_type}: {error}. The topic may hold such "
                    "messages. The way out: read a field that may be absent where it is present, with a default."
                ) from error
            try:
                self._decode(self._interaction_with(model, with_value(example, value.path, UNKNOWN)))
            except Undecodable as error:
                raise AssertionError(
                    f"{self.consumer} refuses {value} with a value that it does not know: {error}. The list may "
                    "grow within v1. The way out: model the field as a text, and take a branch that does not "
                    "depend on an unknown value."
                ) from error

    def _interaction_with(self, model: type[ConsumedEvent], data: Mapping[str, Any]) -> files.Interaction:
        """The interaction with other data, under the key of that data."""
        interaction = self._interaction_of(model)
        interaction["contents"]["content"] = data
        for name in ("ce_subject", "key"):
            interaction["metadata"][name] = str(data[model.key])
        return interaction

    def _interaction_of(self, model: type[ConsumedEvent]) -> files.Interaction:
        """The interaction as it is in the file. Changes of it change nothing else."""
        document = json.loads(files.text_of(self.pact(provider_of(model))))
        return next(one for one in document["interactions"] if one["description"] == model.event_type)

    def _decode(self, interaction: files.Interaction) -> None:
        """Read a message as the inbox does. Raises Undecodable."""
        metadata = dict(interaction["metadata"])
        topic = metadata.pop("topic")
        key = metadata.pop("key", None)
        headers = [(name, str(value).encode()) for name, value in metadata.items()]
        content = json.dumps(interaction["contents"]["content"]).encode()
        message = RawMessage(topic, (0, 0), None if key is None else key.encode(), content, headers)
        assert read(message, self.subscriptions) is not None, f"{self.consumer} ignores the message"


def provider_of(model: type[ConsumedEvent]) -> str:
    """The service that owns an event's topic."""
    return model.topic.partition(".")[0]


def metadata_of(model: type[ConsumedEvent], fields: Mapping[str, Any]) -> dict[str, object]:
    """The topic, the key and the headers of an event, with their matchers."""
    subject: Matcher = fields[model.key]
    return {
        "topic": model.topic,
        "key": subject,
        "ce_id": unique_id("01980000-0000-7000-8000-0000000000e1"),
        "ce_source": f"/{provider_of(model)}",
        "ce_type": model.event_type,
        "ce_subject": subject,
        "ce_time": moment(),
        "ce_correlationid": text(str(example_of(subject))),
        "traceparent": matching(TRACEPARENT, TRACEPARENT_PATTERN),
        "content-type": "application/json",
    }


def growing_lists(schema: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The paths of the properties of an object whose list of values may grow within the version."""
    for name, part in schema.get("properties", {}).items():
        if "x-extensible-enum" in part or ("enum" in part and "list may grow" in part.get("description", "")):
            yield (name,)
        for path in growing_lists(part):
            yield (name, *path)


def paths_of(content: Any, start: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of each field of an object, and of its parts. A list is represented by its first item."""
    if isinstance(content, list):
        yield from paths_of(content[0], (*start, 0))
    elif isinstance(content, dict):
        for name, value in content.items():
            yield (*start, name)
            yield from paths_of(value, (*start, name))


def without_field(interaction: files.Interaction, path: Sequence[str | int]) -> files.Interaction:
    """A copy of an interaction without a field of its content."""
    copy: files.Interaction = json.loads(json.dumps(interaction))
    part = copy["contents"]["content"]
    for step in path[:-1]:
        part = part[step]
    del part[path[-1]]
    return copy


def without_header(interaction: files.Interaction, name: str) -> files.Interaction:
    """A copy of an interaction without a header, or without the key."""
    copy: files.Interaction = json.loads(json.dumps(interaction))
    del copy["metadata"][name]
    return copy


def with_value(data: Mapping[str, Any], path: Sequence[str], value: object) -> dict[str, Any]:
    """A copy of an object with another value at a path."""
    copy: dict[str, Any] = json.loads(json.dumps(data))
    part = copy
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    return copy
