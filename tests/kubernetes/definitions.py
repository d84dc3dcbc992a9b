"""Kinds for an API server that lacks their operators, made of the schemas that the manifests are held against.

So the server itself judges the overlays that need operators, defaults and unknown fields included. What an operator's
admission webhooks would say on top is not asked.
"""

import json
from typing import Any

from tests.kubernetes.policies import SCHEMAS
from tests.kubernetes.rendered import Object


def definition(api_version: str, kind: str) -> Object:
    """The CustomResourceDefinition of a kind."""
    group, _, version = api_version.rpartition("/")
    schema = json.loads((SCHEMAS / f"{group}_{kind.lower()}_{version}.json").read_text())
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            # For groups under k8s.io the API server wants to know who allowed it.
            "annotations": {"api-approved.kubernetes.io": "unapproved, for a dry run"},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": structural(schema)},
                }
            ],
        },
    }


def structural(schema: Any) -> Any:
    """A JSON schema as a CustomResourceDefinition has it: the server itself forbids what is not named."""
    if isinstance(schema, list):
        return [structural(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if sorted(one.get("type", "") for one in schema.get("oneOf", [])) == ["integer", "string"]:
        return {"x-kubernetes-int-or-string": True}
    return {
        key: structural(value)
        for key, value in schema.items()
        if not (key == "additionalProperties" and value is False)
    }
