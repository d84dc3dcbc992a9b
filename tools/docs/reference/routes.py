"""The sections of HTTP routes: parameters, bodies, answers, problems, roles, callers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from shop_contracts.contracts import Contracts
from shop_contracts.fields import fields_of, resolved
from tools.docs.reference.markdown import code, field_table, in_words, names, table

JSON = "application/json"
PROBLEM = "application/problem+json"
METHODS = ("get", "post", "put", "patch", "delete")
PART = re.compile(r"\{[^}]+\}")


def routes(contracts: Contracts, providers: Sequence[str], document: Mapping[str, Any]) -> Iterator[str]:
    """The sections of all routes of an OpenAPI document. `providers` are the programs that answer them."""
    schemas = document.get("components", {}).get("schemas", {})
    pages = [*providers]
    yield "## HTTP routes"
    for path, operations in document["paths"].items():
        for method in METHODS:
            if method in operations:
                callers = callers_of(contracts, providers, method, path)
                yield from _route(
                    f"{method.upper()} {path}", operations[method], schemas, names(callers, pages)
                )


def callers_of(contracts: Contracts, providers: Sequence[str], method: str, path: str) -> list[str]:
    """The consumers that have written down that they call a route."""
    parts = [re.escape(part) for part in PART.split(path)]
    pattern = re.compile(f"{method.upper()} {'[^/?]+'.join(parts)}")
    return [
        consumer
        for consumer in contracts.consumers
        if any(
            not one.is_event and pattern.fullmatch(one.subject)
            for provider in providers
            for one in contracts.expectations(consumer).get(provider, [])
        )
    ]


def _route(
    title: str, operation: Mapping[str, Any], schemas: Mapping[str, Any], callers: str
) -> Iterator[str]:
    yield f"### {code(title)}"
    yield str(operation.get("description") or operation.get("summary", ""))
    yield f"Roles: {roles_of(operation)}. Callers that have written it down: {callers}."
    if parameters := operation.get("parameters"):
        yield table(("Parameter", "In", "Type", "Required", "Meaning"), _parameters(parameters, schemas))
    if body := operation.get("requestBody"):
        yield "Body:"
        yield _fields(body["content"], schemas)
    yield table(("Answer", "Meaning"), _answers(operation["responses"]))
    for status, answer in operation["responses"].items():
        if JSON in answer.get("content", {}) and status.startswith("2"):
            yield f"Body of the answer {status}:"
            yield _fields(answer["content"], schemas)


def roles_of(operation: Mapping[str, Any]) -> str:
    """The roles of which a caller needs one, in words."""
    needed = [role for scheme in operation.get("security", ()) for roles in scheme.values() for role in roles]
    if needed:
        return " or ".join(code(role) for role in needed)
    return "any, with a token" if operation.get("security") else "none, without a token"


def _parameters(
    parameters: Sequence[Mapping[str, Any]], schemas: Mapping[str, Any]
) -> Iterator[Sequence[str]]:
    for parameter in parameters:
        schema, _ = resolved(parameter["schema"], schemas)
        meaning = parameter.get("description") or schema.get("description", "")
        yield (
            code(parameter["name"]),
            parameter["in"],
            in_words(schema),
            "yes" if parameter.get("required") else "no",
            str(meaning),
        )


def _fields(content: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """The fields of a body, or its type if it has none."""
    (body,) = list(content.values())[:1]
    schema, _ = resolved(body.get("schema", {}), schemas)
    return field_table(fields_of(schema, schemas)) or f"{in_words(schema)}."


def _answers(responses: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for status, answer in sorted(responses.items()):
        described = str(answer.get("description", ""))
        if PROBLEM in answer.get("content", {}):
            yield code(status), f"Problem: {described}"
        else:
            yield code(status), "Success" if described == "Successful Response" else described


def titles(document: Mapping[str, Any]) -> Collection[str]:
    """The method and path of each route of a document."""
    return [
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method in METHODS
        if method in operations
    ]
