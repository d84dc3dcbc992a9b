"""The provider's side: a service verifies what its consumers have written down, with its own code."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.events import PublishedEvent
from chassis.service import Service
from testkit.expectations.files import (
    CONSUMERS,
    EVENTS,
    HTTP,
    NO_READER,
    Interaction,
    PactFile,
    WrongExpectation,
    event_readers,
)
from testkit.expectations.provider_server import Provider, State, verify
from testkit.expectations.sent_messages import SentMessage, sent_messages
from testkit.expectations.sentences import sentences_of
from testkit.http import client
from testkit.tokens import login

MANAGEMENT = ("/admin", "/livez", "/readyz", "/metrics")
"""The beginnings of the paths of a management port. The file of a client does not name ports."""


async def assert_events_as_expected(
    provider: str, consumer: str, published: Sequence[PublishedEvent], folder: Path = CONSUMERS
) -> None:
    """The events of a service have all that a consumer reads of them, as the service's relay sends them.

    `published` has one event of each type at least. Of a type with several, each is verified: with and without an
    optional property, for example. Interactions that are pending are reported, and fail nothing. Of NO_READER it is
    verified that there is no reader, and that the events can be read at all.

    Raises AssertionError with a sentence for each finding.
    """
    variants: defaultdict[str, list[SentMessage]] = defaultdict(list)
    for message in await sent_messages(provider, published):
        assert_key_is_subject(message)
        variants[message.event.event_type].append(message)
    if consumer == NO_READER:
        assert event_readers(provider, folder) == [NO_READER]
        return
    file = PactFile.read(folder / consumer / f"{provider}.json")
    asked = file.of_kind(EVENTS)
    for interaction in asked:
        if interaction["description"] not in variants and not interaction.get("pending"):
            raise WrongExpectation(
                f"{consumer} reads the event {interaction['description']} of {provider} ({file.name}), and "
                f"{provider} publishes no such event. It publishes {', '.join(sorted(variants))}. The way out: "
                f"publish it, or have {consumer} mark it as pending or stop reading it."
            )
    pending: list[str] = []
    rounds = max((len(variants[interaction["description"]]) for interaction in asked), default=0)
    for number in range(max(1, rounds)):
        messages = {type_: given[number % len(given)] for type_, given in variants.items() if given}
        pending += await unfulfilled(file, asked, Provider(_no_api, messages=messages))
    report(pending)


def assert_key_is_subject(message: SentMessage) -> None:
    """The key of a message is its `ce_subject`, and the field of its data that is the event's key.

    A Pact file cannot say that two values are equal, so this is a check of its own.
    """
    headers = dict(message.headers)
    field = json.loads(message.value)[message.event.key]
    assert message.key == headers.get("ce_subject") == str(field).encode(), (
        f"{message.event.event_type}: the key {message.key!r}, ce_subject {headers.get('ce_subject')!r} and "
        f"{message.event.key} {field!r} are not the same. Consumers refuse such a message (bad-key, bad-subject)."
    )


async def assert_api_as_expected(
    service: Service, consumer: str, states: Mapping[str, State], folder: Path = CONSUMERS
) -> None:
    """The API of a service answers as a client expects it, on both of its ports.

    `states` has a function for each provider state in the client's file. A token in the file is the name of a caller;
    in its place the service gets a token for that caller: `clerk`, `operator`, or else a customer.

    Raises AssertionError with a sentence for each finding.
    """
    name = service.settings.service_name

    async def both_ports(scope: Scope, receive: Receive, send: Send) -> None:
        is_managed = scope["path"].startswith(MANAGEMENT)
        app: ASGIApp = service.management_asgi if is_managed else service.asgi
        await app(scope, receive, send)

    async def authorize(given: str) -> str:
        who = given.removeprefix("Bearer ")
        role = who if who in ("clerk", "operator") else "customer"
        return login(name, who, [role])["Authorization"]

    async with client(service):
        await assert_app_as_expected(
            name, consumer, Provider(both_ports, states, authorize=authorize), folder
        )


async def assert_app_as_expected(
    name: str, consumer: str, provider: Provider, folder: Path = CONSUMERS
) -> None:
    """Any app answers as a client expects it. `name` is the provider's in the client's file.

    Raises AssertionError with a sentence for each finding.
    """
    file = PactFile.read(folder / consumer / f"{name}.json")
    report(await unfulfilled(file, file.of_kind(HTTP), provider))


def report(pending: Sequence[str]) -> None:
    """Have pytest report the test as one that fails in an expected way (xfail), if something is pending."""
    if pending:
        pytest.xfail("pending: " + "\n".join(dict.fromkeys(pending)))


async def unfulfilled(file: PactFile, asked: Sequence[Interaction], provider: Provider) -> list[str]:
    """Compare a provider with interactions of a file. Returns a sentence for each finding about a pending one.

    Raises AssertionError with a sentence for each other finding.
    """
    assert_states_known(file, asked, provider.states)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "pact.json"
        path.write_text(_document(file, asked))
        result = await verify(file.provider, provider, path)
    findings = sentences_of(result["errors"], file)
    if findings:
        findings += provider.errors
    if not result["result"] and not findings:
        findings = [f"{file.name} could not be verified: {result.get('output')}"]
    if findings:
        raise AssertionError("\n".join([f"{len(findings)} findings about {file.name}:", *findings]))
    return sentences_of(result["pendingErrors"], file)


def assert_states_known(file: PactFile, asked: Sequence[Interaction], states: Collection[str]) -> None:
    """The provider's test knows each state that is asked for. Raises WrongExpectation, one clear sentence."""
    for interaction in asked:
        for state in interaction.get("providerStates", ()):
            if state["name"] not in states:
                raise WrongExpectation(
                    f"{file.consumer} expects {interaction['description']!r} of {file.provider} in the state "
                    f"{state['name']!r} ({file.name}), which the tests of {file.provider} do not know. They know "
                    f"{', '.join(map(repr, sorted(states))) or 'none'}. The way out: add a function for the state to "
                    f"the test of {file.provider}, or correct its name in the test of {file.consumer}."
                )


def _document(file: PactFile, asked: Sequence[Interaction]) -> str:
    return json.dumps(
        {
            "consumer": {"name": file.consumer},
            "provider": {"name": file.provider},
            "interactions": list(asked),
            "metadata": {"pactSpecification": {"version": "4.0"}},
        }
    )


async def _no_api(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotImplementedError("a provider of events alone is asked for no other request")
