"""Writes the files of contracts/ that are derived from the code: one OpenAPI and two AsyncAPI files per service.

The management port has the same API in every service, so there is one file of it: openapi/management.yaml. The second
AsyncAPI file says what the service sends and receives if the saga is orchestrated: orchestrated/asyncapi/SERVICE.yaml.

Run it where the services are installed: `python tools/contracts/export.py [--check] [SERVICE ...]`. With --check
it writes nothing: it names the files that differ, and the exit code is 1 if there are any.
"""

import argparse
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
ORCHESTRATED = CONTRACTS / "orchestrated"
COMMANDS = (("commands", "COMMANDS"), ("orchestrator.subscriptions", "ORCHESTRATED"))
"""Where a service has its subscriptions for the orchestrated saga, if they differ from those for the other one."""
Document = dict[str, Any]


def services() -> list[str]:
    return sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))


def openapi(service: str) -> Document:
    """The OpenAPI document of the service's public port."""
    document: Document = build(service).app.openapi()
    return document


def management(service: str) -> Document:
    """The OpenAPI document of the service's management port."""
    document: Document = build(service).management.openapi()
    return document


def build(service: str) -> Any:
    """The service, as it is built by its main module. To build it, no connection is opened."""
    os.environ.setdefault("DATABASE_URL", f"postgresql://{service}@localhost/{service}")
    os.environ.setdefault("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092")
    os.environ.setdefault("OIDC_ISSUER", "http://localhost:18012")
    os.environ.setdefault("PROCESSOR_API_KEY", "no-key")
    os.environ.setdefault("OTEL_SDK_DISABLED", "true")
    return importlib.import_module(f"{service}.main").create_service()


def subscriptions(service: str) -> frozenset[str]:
    """The event types that the service handles."""
    return frozenset(importlib.import_module(f"{service}.subscriptions").SUBSCRIPTIONS.by_type)


def orchestrated_subscriptions(service: str) -> frozenset[str]:
    """The types of events and commands that the service handles if the saga is orchestrated."""
    for module, name in COMMANDS:
        if importlib.util.find_spec(f"{service}.{module.partition('.')[0]}") is not None:
            return frozenset(getattr(importlib.import_module(f"{service}.{module}"), name).by_type)
    return subscriptions(service)


def asyncapi(
    service: str,
    topics: Iterable[Mapping[str, Any]],
    handled: frozenset[str],
    contracts: Path = CONTRACTS,
) -> Document:
    """The AsyncAPI 3.0 document of a service. It sends the events that it owns, and receives those that it handles.

    `contracts` is the folder with the document's folder in it.
    """
    channels: Document = {}
    operations: Document = {}
    for topic in topics:
        sends = topic["owner"] == service
        events = [event for event in topic["events"] if sends or event in handled]
        if not events:
            continue
        name = topic["name"]
        channels[name] = _channel(topic, events, contracts)
        operations[f"{'send' if sends else 'receive'}-{name}"] = {
            "action": "send" if sends else "receive",
            "channel": {"$ref": f"#/channels/{name}"},
            "messages": [{"$ref": f"#/channels/{name}/messages/{event}"} for event in events],
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": service,
            "version": "1.0.0",
            "description": f"The events that {service} publishes, and those that it reacts to.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
    }


def _channel(topic: Mapping[str, Any], events: Iterable[str], contracts: Path) -> Document:
    return {
        "address": topic["name"],
        "description": f"{topic['description']} Key: {topic['key']}.",
        "messages": {event: _message(event, contracts) for event in events},
        "bindings": {"kafka": {"topic": topic["name"], "partitions": topic["partitions"]}},
    }


def _message(event: str, contracts: Path) -> Document:
    folder, _, version = event.rpartition(".")
    place = Path("events") / folder / f"{version}.schema.json"
    schema = contracts / place if (contracts / place).exists() else CONTRACTS / place
    return {
        "name": event,
        "headers": {"$ref": _reference(CONTRACTS / "envelope.schema.json", contracts)},
        "payload": {"$ref": _reference(schema, contracts)},
    }


def _reference(file: Path, contracts: Path) -> str:
    return Path(os.path.relpath(file, contracts / "asyncapi")).as_posix()


def exports(only: Iterable[str] = ()) -> dict[Path, str]:
    """File → the text that it must have. `only` are names of services; without one all services are exported."""
    topics, orchestrated = (
        yaml.safe_load((folder / "topics.yaml").read_text())["topics"] for folder in (CONTRACTS, ORCHESTRATED)
    )
    texts = {}
    for service in list(only) or services():
        texts[CONTRACTS / "openapi" / f"{service}.yaml"] = _text(openapi(service))
        texts[CONTRACTS / "openapi" / "management.yaml"] = _text(management(service))
        texts[CONTRACTS / "asyncapi" / f"{service}.yaml"] = _text(
            asyncapi(service, topics, subscriptions(service))
        )
        texts[ORCHESTRATED / "asyncapi" / f"{service}.yaml"] = _text(
            asyncapi(service, orchestrated, orchestrated_subscriptions(service), ORCHESTRATED)
        )
    return texts


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True  # an alias such as `&id001` would be hard to read


def _text(document: Document) -> str:
    header = "# Written by `make contracts` (tools/contracts/export.py). Change the code, not this file.\n"
    body = yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)
    return header + body


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if a file differs")
    parser.add_argument("service", nargs="*", help="default: all")
    arguments = parser.parse_args()
    differing = [
        (path, text)
        for path, text in exports(arguments.service).items()
        if not path.is_file() or path.read_text() != text
    ]
    for path, text in differing:
        print(f"{'differs' if arguments.check else 'wrote'}: {path.relative_to(ROOT)}")
        if not arguments.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    if arguments.check and differing:
        print("Run `make contracts`, check the changes of the contracts, and commit them.", file=sys.stderr)
    return int(bool(arguments.check and differing))


if __name__ == "__main__":
    sys.exit(main())
