"""Reads messages with the decoder of a service. This file runs in the environment of a release, and imports its code.

    python decoder.py SERVICE <messages.json >outcomes.json

Messages: [{"topic", "partition", "offset", "key", "value", "headers": [[name, value]]}], values in base64 or null.
Outcomes, in the same order: null if the release reads the message or ignores its type, else {"reason", "detail"}.
It opens no connection.
"""

import base64
import importlib
import json
import sys
from typing import Any


def main() -> None:
    """Read the messages of standard input, and write the outcomes."""
    subscriptions = importlib.import_module(f"{sys.argv[1]}.subscriptions").SUBSCRIPTIONS
    events = importlib.import_module("chassis.events")
    read = importlib.import_module("chassis.inbox.reading").read
    outcomes = []
    for facts in json.load(sys.stdin):
        message = events.RawMessage(
            facts["topic"],
            (facts["partition"], facts["offset"]),
            plain(facts["key"]),
            plain(facts["value"]),
            [(name, plain(value)) for name, value in facts["headers"]],
        )
        outcomes.append(outcome_of(read, message, subscriptions, events.Undecodable))
    json.dump(outcomes, sys.stdout)


def outcome_of(
    read: Any, message: Any, subscriptions: Any, refusal: type[Exception]
) -> dict[str, str] | None:
    """The outcome of one message."""
    try:
        read(message, subscriptions)
    except refusal as error:
        return {"reason": getattr(error, "reason", "unreadable"), "detail": str(error)}
    except Exception as error:  # the service would keep such a message as a dead letter
        return {"reason": "unreadable", "detail": repr(error)}
    return None


def plain(text: str | None) -> bytes | None:
    """The bytes of a text in base64."""
    return None if text is None else base64.b64decode(text)


if __name__ == "__main__":
    main()
