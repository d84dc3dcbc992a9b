"""Each runbook is followed by a drill, and what it names exists."""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shop_oracle.invariants import INVARIANTS
from shop_oracle.invariants import RUNBOOKS as RUNBOOKS_OF
from tests.runbooks.pages import FOLDER, ROOT, Page, alert_rules, page_names, rows_of

DRILLS = Path(__file__).parent / "drills"
MARK = re.compile(r'^@pytest\.mark\.runbook\("([a-z-]+|README)"\)$', re.MULTILINE)
SOURCES = "\n".join(
    file.read_text() for place in ("libs", "services") for file in (ROOT / place).glob("*/src/**/*.py")
)
METRIC = re.compile(r"\bchassis_\w+")
LOG_EVENT = re.compile(r"`([a-z_]+\.[a-z_]+)`")
NOT_LOG_EVENTS = {"max.message", "retention.ms", "segment.ms"}
"""Settings of topics look like log events."""
ALERT = re.compile(r"`(Shopfloor\w+)`")
PLACEHOLDER = re.compile(r"<[a-z][a-z ]*>")
PAGES = page_names()
RUNBOOKS = [name for name in PAGES if name != "README"]
SYMPTOMS, _, BELOW_SYMPTOMS = (FOLDER / "README.md").read_text().partition("\n## ")
LISTED = rows_of(SYMPTOMS)
"""The rows of the list of runbooks: alerts, symptom, runbook."""
PARTS = ("Symptom.", "What it means.", "Is it this?", "Do.", "It is over")
SCREEN_LINES = 50
SCREEN_COLUMNS = 110


def drilled(sources: str) -> set[str]:
    """The pages whose drills are in these sources."""
    return set(MARK.findall(sources))


def faults_of(text: str) -> list[str]:
    """Metrics, log events and alerts that a page names and that do not exist, and commands that cannot be pasted."""
    alerts = {rule["alert"] for rule in alert_rules()}
    faults = [
        f"no metric {name}"
        for name in METRIC.findall(text)
        if f'"{name}' not in SOURCES and not _is_part(name)
    ]
    faults += [
        f"no log event {name}"
        for name in LOG_EVENT.findall(text)
        if f'"{name}"' not in SOURCES and name not in NOT_LOG_EVENTS
    ]
    faults += [f"no alert {name}" for name in ALERT.findall(text) if name not in alerts]
    for block in Page("page", text).blocks:
        faults += [f"no shell: {block}"] * (not _is_shell(block))
        # Pasted as it is, `<order id>` would read a file and write another one.
        faults += [f"a placeholder that redirects: {name}" for name in PLACEHOLDER.findall(block)]
    return faults


def _is_part(name: str) -> bool:
    """Whether it is the beginning of metrics' names, for `grep`."""
    return f'"{name}_' in SOURCES


def _is_shell(block: str) -> bool:
    read = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True, check=False)
    return read.returncode == 0


@pytest.mark.parametrize("name", PAGES)
def test_a_runbook_has_a_drill(name: str) -> None:
    sources = "\n".join(file.read_text() for file in DRILLS.glob("test_*.py"))
    assert name in drilled(sources), f"write a drill for {name}.md: tests/runbooks/drills"


def test_a_runbook_without_a_drill_is_seen() -> None:
    assert drilled('@pytest.mark.runbook("kafka-down")\nasync def test_it() -> None: ...\n') == {"kafka-down"}
    assert drilled('# @pytest.mark.runbook("kafka-down")\n') == set()


def statements_of(source: str) -> dict[str, list[str]]:
    """Page → the statements that the drills of a module check. Helpers check for the pages of the whole module."""
    pages = sorted(drilled(source))
    found: dict[str, list[str]] = {}
    for function in ast.parse(source).body:
        if isinstance(function, ast.AsyncFunctionDef):
            marks = drilled(
                "\n".join(f"@{ast.unparse(mark)}" for mark in function.decorator_list).replace("'", '"')
            )
            found.setdefault("|".join(marks or pages), []).extend(said_in(function))
    return found


def said_in(function: ast.AsyncFunctionDef) -> Iterator[str]:
    """The literal arguments of `….says(…)`."""
    for call in ast.walk(function):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "says":
            yield from (ast.literal_eval(argument) for argument in call.args)


def unsaid(statements: dict[str, list[str]], read: Callable[[str], str]) -> list[str]:
    """The statements that stand in none of their pages; `read` gives a page's text."""
    faults = []
    for names, said in statements.items():
        texts = [" ".join(read(name).split()) for name in names.split("|")]
        faults += [one for one in said if not any(" ".join(one.split()) in text for text in texts)]
    return faults


@pytest.mark.parametrize("file", sorted(DRILLS.glob("test_*.py")), ids=lambda file: file.stem)
def test_a_runbook_says_what_its_drill_checks(file: Path) -> None:
    statements = statements_of(file.read_text())
    assert sum(map(len, statements.values())) > 10
    assert unsaid(statements, lambda name: Page.read(name).text) == []


def test_a_statement_that_was_changed_is_seen() -> None:
    drill = (
        '@pytest.mark.runbook("kafka-down")\nasync def test_it(): runbook.says("It stays 200", "no loss")\n'
    )
    assert unsaid(statements_of(drill), lambda _: "It stays\n200, and there is no loss.") == []
    assert unsaid(statements_of(drill), lambda _: "It answers 503, and there is no loss.") == ["It stays 200"]


@pytest.mark.parametrize("name", PAGES)
def test_what_a_runbook_names_exists(name: str) -> None:
    assert faults_of(Page.read(name).text) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("`chassis_orders_gone` grows", "no metric chassis_orders_gone"),
        ("The log has `outage.over`.", "no log event outage.over"),
        ("The alert `ShopfloorGone`.", "no alert ShopfloorGone"),
        ("```bash\nfor service in orders; do\n```\n", "no shell"),
        ("```bash\ncurl localhost/orders/<order id>\n```\n", "a placeholder that redirects: <order id>"),
    ],
)
def test_a_name_of_something_that_is_gone_is_seen(text: str, complaint: str) -> None:
    assert any(fault.startswith(complaint) for fault in faults_of(text))


@pytest.mark.parametrize("name", RUNBOOKS)
def test_the_list_of_symptoms_leads_to_each_runbook(name: str) -> None:
    assert any(f"({name}.md)" in row[-1] for row in LISTED)


def ways_to(rule: dict[str, Any], listed: list[list[str]], read: Callable[[str], str]) -> list[str]:
    """Faults on the way from an alert to its runbook; `read` gives a page's text."""
    alert, page = f"`{rule['alert']}`", Path(rule["annotations"]["runbook"])
    faults = []
    if not any(alert in row[0] and f"({page.name})" in row[-1] for row in listed):
        faults.append(f"the list of runbooks has no row from {alert} to {page.name}")
    if alert not in part_of(read(page.stem), "Symptom"):
        faults.append(f"{page.name} does not name {alert} in its symptom")
    return faults


@pytest.mark.parametrize("rule", alert_rules(), ids=lambda rule: rule["alert"])
def test_an_alert_leads_to_a_runbook_that_names_it(rule: dict[str, Any]) -> None:
    assert (ROOT / rule["annotations"]["runbook"]).is_file()
    assert ways_to(rule, LISTED, lambda name: Page.read(name).text) == []


def test_an_alert_that_leads_nowhere_is_seen() -> None:
    rule = {"alert": "ShopfloorGone", "annotations": {"runbook": "docs/runbooks/kafka-down.md"}}
    page = "# Kafka\n\n**Symptom.** The alert `ShopfloorGone`.\n\n**What it means.** Nothing.\n"
    row = ["`ShopfloorGone`", "nothing", "[Kafka is down](kafka-down.md)"]
    assert ways_to(rule, [row], lambda _: page) == []
    assert ways_to(rule, [], lambda _: page) == [
        "the list of runbooks has no row from `ShopfloorGone` to kafka-down.md"
    ]
    assert ways_to(rule, [row], lambda _: page.replace("Gone", "There")) == [
        "kafka-down.md does not name `ShopfloorGone` in its symptom"
    ]


def first_pages(text: str) -> dict[int, str]:
    """The number of an invariant → the name of the page in its first row; `README` if the row has no page."""
    pages = {}
    for row in rows_of(text):
        if number := re.match(r"(\d): ", row[0]):
            link = re.search(r"\]\(([a-z-]+)\.md\)", row[-1])
            pages[int(number[1])] = link[1] if link else "README"
    return pages


def test_the_list_names_the_runbook_that_shop_check_names_for_a_violated_invariant() -> None:
    named = {number: RUNBOOKS_OF[invariant] for number, invariant in enumerate(INVARIANTS, 1)}
    assert first_pages(BELOW_SYMPTOMS) == named


def test_the_first_row_of_an_invariant_counts_and_may_have_no_page() -> None:
    head = "| Invariant | Likely cause | Runbook |\n|---|---|---|\n"
    rows = (
        "| 2: stock | one | [A](a-page.md) |\n| | another | [B](b-page.md) |\n| 8: traces | one | nothing |\n"
    )
    assert first_pages(head + rows) == {2: "a-page", 8: "README"}


def form_faults(text: str) -> list[str]:
    """How a page differs from the form of a runbook: its parts in their order, on two screens at most."""
    places = [text.find(f"\n**{part}") for part in PARTS]
    faults = [f"no part {part}" for part, place in zip(PARTS, places, strict=True) if place < 0]
    if not faults and places != sorted(places):
        faults.append(f"the parts are not in this order: {', '.join(PARTS)}")
    lines = sum(max(1, -(-len(line) // SCREEN_COLUMNS)) for line in text.splitlines())
    if lines > 2 * SCREEN_LINES:
        faults.append(f"{lines} lines of {SCREEN_COLUMNS} characters are more than two screens")
    return faults


@pytest.mark.parametrize("name", RUNBOOKS)
def test_a_runbook_has_the_parts_that_an_operator_looks_for(name: str) -> None:
    assert form_faults(Page.read(name).text) == []


def test_a_runbook_of_another_form_is_seen() -> None:
    page = "# A page\n" + "".join(f"\n**{part}** Words.\n" for part in PARTS)
    assert form_faults(page) == []
    assert form_faults(page.replace("**Do.", "**Did.")) == ["no part Do."]
    turned = "# A page\n" + "".join(f"\n**{part}** Words.\n" for part in reversed(PARTS))
    assert form_faults(turned) == [f"the parts are not in this order: {', '.join(PARTS)}"]
    (fault,) = form_faults(page + "x" * 110 * 100)
    assert "more than two screens" in fault


def part_of(text: str, part: str) -> str:
    """The paragraph of a page that begins with this word in bold; empty if there is none."""
    return next((block for block in text.split("\n\n") if block.startswith(f"**{part}")), "")
