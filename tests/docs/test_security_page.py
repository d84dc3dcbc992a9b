"""The page on security has every risk of the OWASP API Security Top 10 (2023), and each of its lines has a test."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "security.md"
RISKS = {
    "API1": "Broken Object Level Authorization",
    "API2": "Broken Authentication",
    "API3": "Broken Object Property Level Authorization",
    "API4": "Unrestricted Resource Consumption",
    "API5": "Broken Function Level Authorization",
    "API6": "Unrestricted Access to Sensitive Business Flows",
    "API7": "Server Side Request Forgery",
    "API8": "Security Misconfiguration",
    "API9": "Improper Inventory Management",
    "API10": "Unsafe Consumption of APIs",
}
ROW = re.compile(r"^\| (\**API.*?) \|(.*)\|$", re.MULTILINE)
TEST = re.compile(r"`([\w/.-]+\.py)::(\w+)`")


@cache
def names_of_tests(path: str) -> frozenset[str]:
    """The names of the test functions of a file; none if there is no such file."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(
        node.name
        for node in ast.parse(file.read_text()).body
        if isinstance(node, functions) and node.name.startswith("test_")
    )


def risk_faults(risks: list[str]) -> list[str]:
    """Differences between the risks of the rows and RISKS, in their order. The first row of a risk has its name."""
    expected = [f"**{risk}** {name}" for risk, name in RISKS.items()]
    first = [risk for risk in risks if risk.startswith("**")]
    if first != expected:
        return [f"the risks are {first}, and not {expected}"]
    current = ""
    faults = []
    for risk in risks:
        if risk.startswith("**"):
            current = risk.split("**")[1]
        elif risk != current:
            faults.append(f"a row of {risk} stands below {current}")
    return faults


def row_faults(risk: str, rest: str) -> list[str]:
    cells = [cell.strip() for cell in rest.split("|")]
    named = TEST.findall(rest)
    if len(cells) != 3 or not all(cells):
        return [f"a row of {risk} has an empty cell, or not four cells"]
    if len(named) != 1 or TEST.sub("", cells[2]):
        return [f"a row of {risk} has no test, or more than one"]
    path, name = named[0]
    return [] if name in names_of_tests(path) else [f"{risk}: {path} has no test {name}"]


def faults_of(page: str) -> list[str]:
    rows = ROW.findall(page)
    twice = {name for name in TEST.findall(page) if TEST.findall(page).count(name) > 1}
    return [
        *risk_faults([risk for risk, _ in rows]),
        *(fault for risk, rest in rows for fault in row_faults(risk, rest)),
        *(f"{name} is in two rows" for _, name in sorted(twice)),
    ]


def test_every_risk_has_a_row_and_every_row_has_a_test_that_exists() -> None:
    assert faults_of(PAGE.read_text()) == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("**API7** Server Side", "API6 Server Side", "the risks are"),
        ("| API8 | read answers", "| API9 | read answers", "a row of API9 stands below"),
        ("::test_a_bug_is_a_500_that_tells_nothing", "::test_gone", "has no test test_gone"),
        ("libs/chassis/tests/test_http.py::", "libs/chassis/tests/test_gone.py::", "has no test"),
        ("| no CORS header, and no cookie |", "|  |", "has an empty cell"),
        (
            "`tests/contracts/test_other_origins.py::test_no_port_allows_a_page_of_another_origin_to_read_an_answer`",
            "by hand",
            "has no test, or more than one",
        ),
        (
            "test_a_refused_caller_harms_no_other_caller",
            "test_a_caller_that_sends_too_many_requests_is_refused_and_told_when_to_come_back",
            "is in two rows",
        ),
    ],
)
def test_a_row_that_promises_too_much_is_seen(old: str, new: str, complaint: str) -> None:
    page = PAGE.read_text()
    assert old in page
    assert any(complaint in fault for fault in faults_of(page.replace(old, new))), faults_of(
        page.replace(old, new)
    )
