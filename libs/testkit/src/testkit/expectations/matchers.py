"""Matchers: the part of a value that a consumer depends on, beside an example of the value.

They are in the JSON form that the core of Pact reads, in bodies, headers and metadata alike.
"""

from __future__ import annotations

from typing import Any

Matcher = dict[str, Any]

UUID = "01980000-0000-7000-8000-00000000000a"
UUID_PATTERN = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
TIME = "2026-03-02T09:00:00.250Z"
TIME_PATTERN = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"


def matching(example: str, pattern: str) -> Matcher:
    """A text that matches a regular expression."""
    return {"pact:matcher:type": "regex", "regex": pattern, "value": example}


def text(example: str) -> Matcher:
    """Any text."""
    return {"pact:matcher:type": "type", "value": example}


def integer(example: int = 1) -> Matcher:
    """Any integer. 1.0 is none."""
    return {"pact:matcher:type": "integer", "value": example}


def number(example: float = 1.5) -> Matcher:
    """Any number."""
    return {"pact:matcher:type": "number", "value": example}


def truth(example: bool = True) -> Matcher:
    """True or false."""
    return {"pact:matcher:type": "boolean", "value": example}


def unique_id(example: str = UUID) -> Matcher:
    """A UUID in its canonical form."""
    return matching(example, UUID_PATTERN)


def moment(example: str = TIME) -> Matcher:
    """A time of RFC 3339 with its zone."""
    return matching(example, TIME_PATTERN)


def url_of_mock_server(path: str) -> Matcher:
    """An address with this path. In a test of the consumer it is one of the mock server, which is asked next."""
    return {
        **matching(f"http://provider.example{path}", f".*({path})$"),
        "pact:generator:type": "MockServerURL",
        "example": f"http://provider.example{path}",
    }


def each(item: object) -> Matcher:
    """A list of at least one item. Each is as `item`, which may have matchers in it.

    An empty list would verify nothing, so a provider's test gives one with items.
    """
    return {"pact:matcher:type": "type", "min": 1, "value": [item]}


def example_of(expected: Any) -> Any:
    """The example in a value with matchers."""
    if isinstance(expected, dict):
        if "pact:matcher:type" in expected:
            return example_of(expected["value"])
        return {name: example_of(value) for name, value in expected.items()}
    if isinstance(expected, list):
        return [example_of(item) for item in expected]
    return expected
