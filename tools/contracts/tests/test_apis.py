"""`shop contracts apis`: a break of a released API is found, with the callers, since when, and the way out.

The reports of oasdiff are written here as it writes them. tests/apis has it compare real documents.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from shop_contracts.apis.callers import operation_of
from shop_contracts.apis.differ import Change, breaking_changes, changes_in
from shop_contracts.apis.gate import Finding, check
from shop_contracts.contracts import Contracts
from shop_contracts.releases.make import make
from shop_stack.errors import UserError
from tools.contracts.tests.mini_clone import TODAY, Clone

READ = "GET /books/{book_id}"
REMOVED = Change(
    "response-required-property-removed", READ, "fee.currency", "removed the property `fee/currency`"
)


def document(title: str = "shelf") -> str:
    """An OpenAPI document with two operations."""
    paths = {"/books/{book_id}": {"get": {}, "parameters": []}, "/books": {"post": {}}}
    return yaml.safe_dump({"openapi": "3.1.0", "info": {"title": title}, "paths": paths})


def http_pact(*calls: tuple[str, str, Any]) -> str:
    """The text of an expectation file with one request for each call: method, path, and the body of the answer."""
    interactions = [
        {
            "type": "Synchronous/HTTP",
            "description": f"{number}",
            "request": {"method": method, "path": path},
            "response": {"status": 200, "body": {"content": body}},
        }
        for number, (method, path, body) in enumerate(calls)
    ]
    return json.dumps(
        {"consumer": {"name": "till"}, "provider": {"name": "shelf"}, "interactions": interactions}
    )


@pytest.fixture
def shelf(clone: Clone) -> Clone:
    """A clone in which shelf 0.1.0 is released, whose API the consumer `till` calls."""
    clone.write("contracts/openapi/shelf.yaml", document())
    calls = [("GET", "/books/b-1", {"fee": {"currency": "EUR"}}), ("POST", "/books", {})]
    clone.write("contracts/consumers/till/shelf.json", http_pact(*calls))
    clone.release("shelf")
    return clone


def findings(clone: Clone, *changes: Change) -> list[Finding]:
    """The findings if the differ reports these changes of every comparison."""

    def differ(root: Path, old: Path, new: Path) -> Sequence[Change]:
        return changes

    return [finding for verdict in check(Contracts(clone.root), differ) for finding in verdict.findings]


def test_an_api_without_a_change_has_no_finding(shelf: Clone) -> None:
    assert findings(shelf) == []


def test_a_finding_names_operation_field_callers_since_when_and_the_way_out(shelf: Clone) -> None:
    [found] = findings(shelf, REMOVED)
    assert (found.api, found.operation, found.place, found.consumers) == (
        "shelf",
        READ,
        "fee.currency",
        ("till",),
    )
    assert found.since == "shelf 0.1.0 (2026-11-29, released text 1)"
    assert found.sentence == (
        "GET /books/{book_id} of shelf: removed the property `fee/currency`. Promised since shelf 0.1.0 (2026-11-29, "
        "released text 1). Consumers that read it: till. Way out: keep it and mark it `deprecated` (and with its last "
        "day in `x-sunset`), release that, and remove it when no deployed release of a consumer uses it."
    )


def test_a_field_of_an_answer_concerns_only_the_consumers_that_read_it(shelf: Clone) -> None:
    [found] = findings(shelf, Change("response-property-type-changed", READ, "title", "changed"))
    assert found.consumers == ()
    assert "No consumer reads it." in found.sentence


@pytest.mark.parametrize(
    ("rule", "operation", "place", "cure"),
    [
        (
            "new-required-request-property",
            "POST /books",
            "channel",
            "make it optional, and give it a default",
        ),
        ("request-parameter-enum-value-removed", READ, "state", "accept what was accepted before"),
        ("api-path-removed-without-deprecation", READ, "", "mark it `deprecated`"),
        ("api-removed-before-sunset", READ, "", "leave it until that day"),
        ("api-security-removed", "POST /books", "", "accept the credentials that were accepted before"),
        ("response-property-became-optional", READ, "fee", "answer as before"),
        ("a-rule-of-tomorrow", "", "", "leave it as it was"),
    ],
)
def test_a_change_of_a_request_or_an_operation_concerns_all_who_call_it(
    shelf: Clone, rule: str, operation: str, place: str, cure: str
) -> None:
    [found] = findings(shelf, Change(rule, operation, place, "was changed"))
    assert found.consumers == ("till",)
    assert cure in found.cure


def test_an_operation_that_no_consumer_calls_is_told_as_such(shelf: Clone) -> None:
    [found] = findings(shelf, Change("api-removed-without-deprecation", "PUT /books", "", "API removed"))
    assert "No consumer calls it." in found.sentence


def test_what_an_earlier_text_has_promised_counts_from_its_release_on(shelf: Clone) -> None:
    shelf.write("contracts/openapi/shelf.yaml", document("more"))
    shelf.release("shelf", "0.2.0")
    [found] = findings(shelf, REMOVED)
    assert found.since.startswith("shelf 0.1.0 ")

    def only_since_the_second(root: Path, old: Path, new: Path) -> Sequence[Change]:
        return [REMOVED] if old.name == "shelf.2.yaml" else []

    [verdict] = check(Contracts(shelf.root), only_since_the_second)
    assert verdict.compared == 2
    assert verdict.findings[0].since.startswith("shelf 0.2.0 ")


def test_a_released_document_that_is_gone_is_a_finding(shelf: Clone) -> None:
    (shelf.root / "contracts/openapi/shelf.yaml").unlink()
    [found] = findings(shelf)
    assert "the whole API is gone" in found.sentence
    assert found.consumers == ("till",)


def test_an_api_that_was_never_released_is_free(shelf: Clone) -> None:
    shelf.write("contracts/openapi/desk.yaml", document())
    assert [(one.api, one.compared) for one in check(Contracts(shelf.root), lambda *_: [])] == [
        ("desk", 0),
        ("shelf", 1),
    ]


def test_each_release_freezes_the_api_at_the_management_port(clone: Clone) -> None:
    clone.write("contracts/openapi/management.yaml", document())
    clone.write("contracts/consumers/till/shelf.json", http_pact(("GET", "/books/7", {"fee": 1})))
    clone.commit()
    _, files = make(clone.root, "shelf", TODAY)
    assert clone.root / "contracts/openapi/released/management.1.yaml" in files
    (clone.root / "contracts/openapi/released/shelf.1.yaml").unlink()
    [found] = findings(clone, Change("response-body-changed", READ, "", "was changed"))
    assert (found.api, found.consumers, found.since) == ("management", ("till",), "released text 1")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("removed the required property `total` from the response with the `200` status", "total"),
        ("removed the required property `items/lines/items/sku` from the response", "[].lines[].sku"),
        (
            "added the new `LOST` enum value to the `state` response property for the response status `200`",
            "state",
        ),
        ("the `version` response's property `type` changed from `integer` to `string`", "version"),
        ("the `lines/items/quantity` request property's max was decreased to `2.00`", "lines[].quantity"),
        ("the `query` request parameter `customer_id` became required", "customer_id"),
        (
            "removed the enum value `A` from the property `anyOf[#1: S]` of the `query` request parameter `s`",
            "s",
        ),
        ("added the new required request property `channel`", "channel"),
        ("API removed without deprecation", ""),
    ],
)
def test_the_field_is_read_from_the_sentence_of_the_differ(text: str, place: str) -> None:
    report = json.dumps([{"id": "x", "text": text, "operation": "GET", "path": "/books"}])
    assert changes_in(report) == [Change("x", "GET /books", place, text)]


def test_a_report_that_is_none_is_an_error() -> None:
    with pytest.raises(UserError, match="report of oasdiff cannot be read"):
        changes_in('[{"id": "x"}]')


@pytest.mark.parametrize(
    ("call", "operation"),
    [
        ("GET /users/7", "GET /users/{id}"),
        ("POST /users/.search", "POST /users/.search"),
        ("GET /users/7/roles", ""),
    ],
)
def test_a_call_is_one_of_the_operation_that_its_path_fits(call: str, operation: str) -> None:
    assert operation_of(call, ["GET /users/{id}", "POST /users/{id}", "POST /users/.search"]) == operation


def test_a_differ_that_is_not_built_is_named_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="oasdiff is missing .*`make check-apis` builds it, and needs Go"):
        breaking_changes(tmp_path, tmp_path / "a", tmp_path / "b")


def test_a_differ_that_fails_is_told_with_its_words(tmp_path: Path) -> None:
    program = tmp_path / ".shop" / "oasdiff"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'failed to load base spec' >&2\nexit 102\n")
    program.chmod(0o755)
    with pytest.raises(UserError, match=r"could not compare a\.yaml with b\.yaml: failed to load base spec"):
        breaking_changes(tmp_path, tmp_path / "a.yaml", tmp_path / "b.yaml")
