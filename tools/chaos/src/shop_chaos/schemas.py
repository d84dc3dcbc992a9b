"""The JSON schemas of the files in chaos/."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TEXT = {"type": "string", "minLength": 1}
ID = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$"}
TARGETS = ("embedded", "compose", "k8s")
NEEDS = ("the right to mount", "a cluster", "libfaketime")
RULINGS = ("holds", "violated", "vacuous")

FAULT: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "what", "targets", "must_be_seen", "expected", "invariants_at_risk", "cure", "needs"],
    "properties": {
        "id": ID,
        "what": TEXT,
        "targets": {
            "description": "Target → the injector. A target that is left out has no injection.",
            "type": "object",
            "additionalProperties": False,
            "properties": {
                name: {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["injector"],
                    "properties": {"injector": ID},
                }
                for name in TARGETS
            },
        },
        "must_be_seen": {
            "description": "Name of a count → its least value for each injection. They prove that the fault bit.",
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "integer", "minimum": 1},
        },
        "expected": TEXT,
        "invariants_at_risk": {
            "type": "array",
            "items": {"type": "integer", "minimum": 1, "maximum": 9},
            "uniqueItems": True,
        },
        "cure": TEXT,
        "needs": {"type": "array", "items": {"enum": list(NEEDS)}},
    },
}

SHOPFLOOR: Mapping[str, Any] = {
    "description": "The entry `shopfloor` of an experiment's extensions.",
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "rate"],
    "properties": {
        "name": {"const": "shopfloor"},
        "rate": {"description": "Orders per second meanwhile; 0: none.", "type": "number", "minimum": 0},
        "faults": {
            "description": "Faults that only its measured experiment injects.",
            "type": "array",
            "items": ID,
        },
        "brokers": {
            "description": "How many brokers of Kafka its shop has; 1 if it is left out.",
            "enum": [1, 3],
        },
        "settings": {"type": "object", "additionalProperties": {"type": "string"}},
        "watched": {"description": "false: no look while it lasts, because it measures.", "type": "boolean"},
        "expected": {"description": "Another verdict than `holds` is a planted one.", "enum": list(RULINGS)},
        "look_seconds": {
            "description": "Seconds between two looks at the invariants that hold at every moment.",
            "type": "number",
            "exclusiveMinimum": 0,
        },
        "patience_seconds": {
            "description": "How long a customer repeats a request without an answer; 120 if it is left out.",
            "type": "number",
            "exclusiveMinimum": 0,
        },
        "leaves_many_orders": {
            "description": "Its shop is removed after it: looks at so many orders take long.",
            "type": "boolean",
        },
        "quick": {"description": "Part of `make chaos`.", "type": "boolean"},
    },
}

NUMBER_OR_SETTING: Mapping[str, Any] = {
    "anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\$\{\w+\}$"}],
}
"""A number, or the name of a value of the configuration: `${seconds}`."""


def _with_arguments(func: str, **arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """The rule that a step of this function gives it these arguments."""
    given = {"type": "object", "required": list(arguments), "properties": arguments}
    needed = {"required": ["arguments"], "properties": {"arguments": given}}
    return {"if": {"properties": {"func": {"const": func}}, "required": ["func"]}, "then": needed}


STEP: Mapping[str, Any] = {
    "description": "A step of a method.",
    "type": "object",
    "required": ["type", "name", "provider"],
    "properties": {
        "provider": {
            "type": "object",
            "required": ["type", "module", "func"],
            "allOf": [
                _with_arguments("inject", fault=TEXT),
                _with_arguments("wait", seconds=NUMBER_OR_SETTING),
            ],
        }
    },
}

EXPERIMENT: Mapping[str, Any] = {
    "type": "object",
    "required": ["title", "description", "method", "rollbacks", "extensions"],
    "properties": {
        "title": TEXT,
        "description": TEXT,
        "method": {"type": "array", "minItems": 1, "items": STEP},
        "rollbacks": {"type": "array", "minItems": 1},
        "extensions": {"type": "array", "prefixItems": [SHOPFLOOR], "minItems": 1, "items": False},
    },
}
