"""oasdiff finds each planted break of a released API at its place, and the gate names its consumers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from shop_contracts.apis.differ import PROGRAM
from shop_contracts.apis.gate import Finding, check
from shop_contracts.contracts import Contracts
from shop_contracts.releases.freezing import freeze_api
from shop_stack.paths import repository

Document = dict[str, Any]
Change = Callable[[Document], object]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the contracts of today, all of them released, and the differ. Nothing of it is in git."""
    for part in ("contracts", "releases"):
        shutil.copytree(repository() / part, tmp_path / part)
    for manifest in (repository() / "services").glob("*/pyproject.toml"):
        copy = tmp_path / manifest.relative_to(repository())
        copy.parent.mkdir(parents=True)
        shutil.copy(manifest, copy)
    for document in (tmp_path / "contracts/openapi").glob("*.yaml"):
        freeze_api(tmp_path, document.stem)
    (tmp_path / ".shop").mkdir()
    (tmp_path / PROGRAM).symlink_to(repository() / PROGRAM)
    return tmp_path


def findings(clone: Path, api: str, change: Change) -> list[Finding]:
    """The findings after a change of one document."""
    file = clone / "contracts/openapi" / f"{api}.yaml"
    document = yaml.safe_load(file.read_text())
    change(document)
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    return [finding for verdict in check(Contracts(clone)) for finding in verdict.findings]


def schema(document: Document, name: str) -> Document:
    found: Document = document["components"]["schemas"][name]
    return found


def remove_field(name: str, field: str) -> Change:
    def change(document: Document) -> None:
        del schema(document, name)["properties"][field]
        schema(document, name)["required"].remove(field)

    return change


def require_field(name: str, field: str) -> Change:
    def change(document: Document) -> None:
        schema(document, name)["properties"][field] = {"type": "string"}
        schema(document, name)["required"].append(field)

    return change


def remove_operation(path: str) -> Change:
    return lambda document: document["paths"].pop(path)


BREAKS = [
    ("orders", remove_field("OrderView", "placed_at"), "GET /orders/{order_id}", "placed_at", {"shop"}),
    ("orders", remove_field("OrderView", "customer_id"), "GET /orders/{order_id}", "customer_id", set()),
    ("orders", require_field("OrderRequest", "channel"), "POST /orders", "channel", {"shop"}),
    ("notifications", lambda d: schema(d, "State")["enum"].pop(), "GET /notifications", "state", set()),
    (
        "orders",
        lambda d: schema(d, "OrderState")["enum"].append("LOST"),
        "GET /orders/{order_id}",
        "state",
        set(),
    ),
    ("orders", remove_operation("/prices"), "GET /prices", "", {"shop"}),
    ("analytics", remove_operation("/reports/revenue"), "GET /reports/revenue", "", {"shop"}),
    ("management", remove_field("DeadLetter", "key"), "GET /admin/dead-letters", "[].key", {"shop"}),
]
"""(API, change, operation, place, consumers) of each break."""


@pytest.mark.parametrize(("api", "change", "operation", "place", "consumers"), BREAKS)
def test_a_planted_break_is_found_at_its_place_with_its_consumers(
    clone: Path, api: str, change: Change, operation: str, place: str, consumers: set[str]
) -> None:
    found = findings(clone, api, change)
    assert {one.api for one in found} == {api}
    [there] = [one for one in found if one.operation == operation and one.place.endswith(place)]
    assert set(there.consumers) == consumers, there.sentence
    assert "Way out: " in there.sentence


ALLOWED: dict[str, Change] = {
    "nothing": lambda document: None,
    "an optional field of a request": lambda document: schema(document, "OrderRequest")["properties"].update(
        channel={"type": "string"}
    ),
    "a field of an answer": lambda document: schema(document, "OrderView")["properties"].update(
        channel={"type": "string"}
    ),
    "a field is deprecated": lambda document: schema(document, "OrderView")["properties"]["version"].update(
        deprecated=True
    ),
    "an operation": lambda document: document["paths"].update({"/lists": document["paths"]["/prices"]}),
    "a description": lambda document: schema(document, "OrderView").update(description="Other words."),
}


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED)
def test_a_change_that_breaks_no_client_is_no_finding(clone: Path, change: Change) -> None:
    assert findings(clone, "orders", change) == []


def test_a_field_may_be_removed_after_a_release_has_deprecated_it(clone: Path) -> None:
    def deprecate(document: Document) -> None:
        schema(document, "OrderView")["properties"]["version"]["deprecated"] = True

    assert findings(clone, "orders", deprecate) == []
    freeze_api(clone, "orders")
    assert findings(clone, "orders", remove_field("OrderView", "version")) == []
