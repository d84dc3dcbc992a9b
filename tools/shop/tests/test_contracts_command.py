"""`shop contracts migrations`: a table, JSON, a sentence for each finding, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shop.cli import app
from shop_contracts.migrations import check
from shop_contracts.migrations.check import Finding, Verdict

REFUSED = Finding("orders", "0006_x.py", "drop-column orders.reason", "0.1.0 names it", "expand and contract")


@pytest.fixture(params=[False, True], ids=["accepted", "refused"])
def refused(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the new migration of orders is refused."""
    findings = [REFUSED] if request.param else []

    async def checked(root: Path) -> list[Verdict]:
        return [Verdict("orders", "0.1.0", ["0006_x.py"], findings), Verdict("payments", "", [], [])]

    monkeypatch.setattr(check, "check", checked)
    return bool(request.param)


def test_the_table_has_each_service_and_the_exit_code_says_whether_one_is_refused(refused: bool) -> None:
    result = CliRunner().invoke(app, ["contracts", "migrations"])
    assert result.exit_code == (1 if refused else 0)
    assert "0006_x.py" in result.stdout
    assert (REFUSED.sentence in result.stdout) is refused


def test_json_says_the_same(refused: bool) -> None:
    result = CliRunner().invoke(app, ["contracts", "migrations", "--json"])
    orders, payments = json.loads(result.stdout)
    assert result.exit_code == (1 if refused else 0)
    assert (orders["holds"], orders["new"], payments["previous_release"]) == (
        not refused,
        ["0006_x.py"],
        "",
    )
    assert [finding["sentence"] for finding in orders["findings"]] == ([REFUSED.sentence] if refused else [])
