"""The results that are committed: docs/chaos/last-run.json, and the table at the end of docs/chaos.md.

run = committed.added(committed.read(), json.loads(Path("chaos.json").read_text()), "2026-11-29")
committed.write(run)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from shop_chaos.catalogue import PLANTED
from shop_chaos.report import configured
from shop_stack.errors import UserError
from shop_stack.paths import repository

HEADING = "## Last results\n"
FIELDS = ("experiment", "ruling", "expected", "seen", "orders", "recovery_seconds", "seconds")
"""What is kept of a result."""

Result = Mapping[str, Any]
"""A result as `shop_chaos.verdict.Result.as_json` gives it, or what is kept of it."""


def run_file() -> Path:
    """The file with the last result of each experiment."""
    return repository() / "docs" / "chaos" / "last-run.json"


def page_file() -> Path:
    """The page with the table."""
    return repository() / "docs" / "chaos.md"


def read() -> list[Result]:
    """The results that are committed, one of each experiment; [] if there are none yet."""
    found: list[Result] = json.loads(run_file().read_text()) if run_file().exists() else []
    return found


def added(run: Iterable[Result], results: Iterable[Result], date: str) -> list[Result]:
    """The run with newer results, which replace those of the same experiments. Planted experiments come first."""
    newest = {one["experiment"]: one for one in run}
    for result in results:
        numbers = [{name: number[name] for name in ("name", "value", "unit")} for number in result["numbers"]]
        newest[result["experiment"]] = {
            **{name: result[name] for name in FIELDS},
            "numbers": numbers,
            "configuration": dict(result.get("configuration", {})),
            "date": date,
        }
    return sorted(newest.values(), key=_place)


def _place(result: Result) -> tuple[bool, str]:
    name = str(result["experiment"])
    return not name.startswith(f"{PLANTED}/"), name


def write(run: Sequence[Result]) -> list[Path]:
    """Write the results and the table. Returns the files."""
    run_file().parent.mkdir(exist_ok=True)
    run_file().write_text(json.dumps(run, indent=2) + "\n")
    page_file().write_text(with_table(page_file().read_text(), run))
    return [run_file(), page_file()]


def with_table(page: str, run: Sequence[Result]) -> str:
    """The text of a page with a new table at its end. Raises UserError if the page has no place for it."""
    before, heading, _ = page.partition(HEADING)
    if not heading:
        raise UserError(f"The page has no line {HEADING.strip()!r}, below which the table belongs: add it.")
    return f"{before}{heading}\n{table(run)}\n"


def table(run: Sequence[Result]) -> str:
    """One row for each result, and the sum."""
    rows = [
        "| Experiment | Verdict | Orders | Seen | At rest after | Took | Date |",
        "|---|---|---:|---|---:|---:|---|",
    ]
    for one in run:
        rest = "" if one["recovery_seconds"] is None else f"{one['recovery_seconds']:.0f} s"
        planted = ", as planted" if one["expected"] != "holds" and one["ruling"] == one["expected"] else ""
        cells = (named(one), one["ruling"] + planted, str(one["orders"] or ""), seen(one), rest)
        rows.append(f"| {' | '.join(cells)} | {one['seconds']:.0f} s | {one['date']} |")
    minutes = sum(one["seconds"] for one in run) / 60
    sentence = (
        f"Together {len(run)} experiments took {minutes:.0f} minutes, without the starts of their shops."
    )
    return "\n".join([*rows, "", sentence])


def named(result: Result) -> str:
    """The experiment, with the values of its configuration."""
    values = configured(result.get("configuration", {}))
    return f"`{result['experiment']}`" + (f" ({values})" if values else "")


def seen(result: Result) -> str:
    """The effects of the faults, and the numbers that were measured."""
    effects = [f"{each['value']} {each['name']}" for each in result["seen"]]
    measured = [f"{each['name']}: {each['value']:g} {each['unit']}".strip() for each in result["numbers"]]
    return "; ".join([*effects, *measured])
