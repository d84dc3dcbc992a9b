"""The page of skew shows the table of the run whose report is committed."""

import json
from pathlib import Path

from shop_lab.skew.report import markdown_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/how-to/prove-two-versions-together.md"
REPORT = ROOT / "docs/pictures/skew-0.2.0.json"


def test_the_page_has_the_table_of_the_committed_report() -> None:
    report = json.loads(REPORT.read_text())
    assert markdown_of(report).strip() in PAGE.read_text()


def test_each_service_is_in_the_report_and_each_cell_is_green() -> None:
    report = json.loads(REPORT.read_text())
    services = {path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml")}
    assert {cell["service"] for cell in report["cells"]} == services
    assert {cell["ruling"] for cell in report["cells"]} == {"green"}
