"""A pytest plugin: it runs the tests that SHOP_MUTANTS_TESTS names, and leaves out the others of their files.

So a test that does not exist stops no other one. It writes each outcome into the file SHOP_MUTANTS_RESULTS. It also
names the modules that were imported from the original tree, SHOP_MUTANTS_ORIGINAL, and not from the copy.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FILE = "SHOP_MUTANTS_RESULTS"
ORIGINAL = "SHOP_MUTANTS_ORIGINAL"
TESTS = "SHOP_MUTANTS_TESTS"
"""The variable with the node ids, one a line. A test with parameters runs with all of them."""

_tests: dict[str, dict[str, str]] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests that are asked for, and note them. A test that does not begin keeps this outcome."""
    asked = set(os.environ[TESTS].splitlines())
    items[:] = [item for item in items if item.nodeid.split("[")[0] in asked]
    _tests.update({item.nodeid: {"outcome": "collected", "message": ""} for item in items})


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note the outcome: `passed`, `failed` in the test itself, `error` in a fixture, or `skipped`."""
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        message = crash.message if crash is not None else report.longreprtext
        _tests[report.nodeid] = {
            "outcome": "failed" if report.when == "call" else "error",
            "message": message,
        }
    elif report.skipped or (report.when == "call" and _tests[report.nodeid]["outcome"] == "collected"):
        _tests[report.nodeid] = {"outcome": report.outcome, "message": ""}


def pytest_sessionfinish() -> None:
    """Write the outcomes."""
    facts = {"tests": _tests, "strangers": sorted(strangers(Path(os.environ[ORIGINAL])))}
    Path(os.environ[FILE]).write_text(json.dumps(facts))


def strangers(original: Path) -> Iterator[str]:
    """The names of imported modules whose files are in the original's projects."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and any(Path(file).is_relative_to(original / part) for part in ("libs", "services", "tools")):
            yield name
