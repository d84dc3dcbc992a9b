"""The reference pages say what contracts/ says: each event, field, reader, route, role and problem."""

import re
from pathlib import Path
from typing import Any

import pytest

from shop_contracts.contracts import Contracts
from shop_contracts.fields import fields_of
from shop_contracts.readers import who_reads
from tools.docs.reference.markdown import anchor, field_table, in_words, table
from tools.docs.reference.pages import KEPT, MANAGEMENT, openapi, pages, write
from tools.docs.reference.routes import callers_of, roles_of, titles

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = Contracts(ROOT)
PAGES = pages(CONTRACTS)
SERVICES = sorted(set(PAGES) - {MANAGEMENT})
LINK = re.compile(r"\]\((\w+)\.md#([\w-]+)\)")


def section(page: str, heading: str) -> str:
    """The text below a heading of the third level."""
    _, _, rest = page.partition(f"\n### {heading}\n")
    assert rest, f"there is no section {heading}"
    return re.split(r"^##+ ", rest, flags=re.MULTILINE)[0]


def row(text: str, first: str) -> list[str]:
    """The cells of the first row that begins with a code span. Parameters stand above the fields of bodies."""
    lines = [line for line in text.splitlines() if line.startswith(f"| `{first}` |")]
    assert lines, f"there is no row of {first}"
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", lines[0])[1:-1]]


def test_there_is_a_page_for_each_service() -> None:
    assert sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml")) == SERVICES


@pytest.mark.parametrize("service", SERVICES)
def test_each_event_that_is_sent_has_its_fields_and_their_readers(service: str) -> None:
    for type_ in CONTRACTS.published_by(service):
        found = section(PAGES[service], type_)
        assert "```json" in found
        for field in fields_of(CONTRACTS.events[type_].schema):
            cells = row(found, field.place)
            readers = {reader.consumer for reader in who_reads(CONTRACTS, type_, field.place).readers}
            assert set(re.findall(r"[a-z]{2,}(?=\]|,|$)", cells[3])) == readers
            assert cells[2] == ("yes" if field.required else "no")


@pytest.mark.parametrize("service", SERVICES)
def test_each_event_that_is_handled_leads_to_its_sender(service: str) -> None:
    for type_ in CONTRACTS.handled_by(service):
        owner = CONTRACTS.owner_of(type_)
        assert f"({owner}.md#{anchor(type_)})" in section(PAGES[service], type_)


@pytest.mark.parametrize("name", [*SERVICES, MANAGEMENT])
def test_each_route_has_its_roles_parameters_and_problems(name: str) -> None:
    document = openapi(CONTRACTS, name)
    for title in titles(document):
        method, path = title.split()
        operation: Any = document["paths"][path][method.lower()]
        found = section(PAGES[name], f"`{title}`")
        assert f"Roles: {roles_of(operation)}." in found
        for parameter in operation.get("parameters", ()):
            assert row(found, parameter["name"])[1] == parameter["in"]
        for status, answer in operation["responses"].items():
            if "application/problem+json" in answer.get("content", {}):
                assert row(found, status)[1] == f"Problem: {' '.join(answer['description'].split())}"


def test_links_between_pages_lead_to_headings() -> None:
    for page in PAGES.values():
        for name, wanted in LINK.findall(page):
            headings = re.findall(r"^#+ (.+)$", PAGES[name], re.MULTILINE)
            assert wanted in map(anchor, headings), f"{name}.md#{wanted}"


def test_callers_are_those_who_have_written_it_down() -> None:
    assert callers_of(CONTRACTS, ["orders"], "get", "/orders/{order_id}") == ["shop"]
    assert callers_of(CONTRACTS, ["orders"], "get", "/orders/{order_id}/gone") == []


def test_pages_of_services_that_are_gone_are_deleted(tmp_path: Path) -> None:
    for name in KEPT:
        (tmp_path / name).write_text("# Mine\n")
    (tmp_path / "billing.md").write_text("# Old\n")
    write(CONTRACTS, tmp_path)
    assert {file.stem for file in tmp_path.iterdir()} == {*PAGES, "README", "metrics"}
    assert {(tmp_path / name).read_text() for name in KEPT} == {"# Mine\n"}


def test_the_pages_are_in_no_commit() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    kept = [f"!docs/reference/{name}" for name in KEPT]
    assert ignored[-1 - len(kept) :] == ["docs/reference/*", *kept]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string", "format": "uuid"}, "string (uuid)"),
        ({"type": "integer", "minimum": 0.0, "maximum": 1.0e18}, "integer (0 to 1000000000000000000)"),
        ({"type": "string", "maxLength": 64}, "string (at most 64 characters)"),
        ({"enum": ["A", "B"], "x-extensible-enum": True}, "`A`, `B`, and later others"),
        ({"type": "integer", "default": 50}, "integer (default `50`)"),
        ({"const": "1.0"}, '`"1.0"`'),
        ({}, "any value"),
    ],
)
def test_a_type_is_told_with_its_limits(schema: dict[str, Any], words: str) -> None:
    assert in_words(schema) == words


def test_a_sign_of_the_table_stays_in_its_cell() -> None:
    assert table(["a"], [["x | y\nz"]]).splitlines()[-1] == "| x \\| y z |"
    assert table(["a"], []) == ""


def test_a_field_that_may_be_null_or_absent_is_told() -> None:
    schema = {
        "required": ["a"],
        "properties": {
            "a": {"$ref": "#/$defs/money", "description": "Paid."},
            "b": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "$defs": {"money": {"type": "object", "properties": {"cents": {"type": "integer"}}}},
    }
    assert field_table(fields_of(schema)).splitlines()[2:] == [
        "| `a` | object | yes | Paid. |",
        "| `a.cents` | integer | no |  |",
        "| `b` | string or null | no |  |",
    ]
