"""The cost of one named change: a field of an event that orders publishes and notifications reads.

docs/tutorials/add-a-field.md makes the change step by step, and `make test-tutorials` carries that page out. So its
files are those of a change that works.
"""

from __future__ import annotations

import os
import re
import sys
import time

from shop_lab.testbed import Testbed
from shop_stack import embedded
from shop_stack.errors import UserError
from shop_stack.paths import repository
from shop_stack.process import run

PAGE = "docs/tutorials/add-a-field.md"
FILE = re.compile(r"\b(?:[Ii]n|Write) `((?:contracts|services)/[^`]+)`")
"""A file that the page changes, writes, or lets a command write."""
OUTPUT = 400
"""Characters of the output of tests that failed, from its end."""

_seconds: dict[str, float] = {}
"""Service → seconds that its tests took. They do not depend on the shape, so each is measured once in a comparison."""


async def named_change(testbed: Testbed) -> dict[str, float]:
    """Key → value, of a shop that runs. It runs afterwards.

    A process that has a changed service waits for the tests of all its modules, and is then restarted. Raises UserError
    if tests fail.
    """
    stack, files = testbed.stack, changed_files()
    units = sorted({stack.database_of(service) for service in changed_services(files)})
    tested = sorted({service for unit in units for service in stack.members(unit)})
    began = time.monotonic()
    for unit in units:
        await embedded.restart(stack, unit)
    return {
        "field_files": len(files),
        "field_deployables": len(units),
        "field_restart_seconds": time.monotonic() - began,
        "field_test_seconds": sum([await seconds_of_tests(service) for service in tested]),
    }


def changed_files() -> set[str]:
    """The files of the change, as paths in the repository."""
    return set(FILE.findall((repository() / PAGE).read_text()))


def changed_services(files: set[str]) -> set[str]:
    """The services that have one of these files."""
    return {file.split("/")[1] for file in files if file.startswith("services/")}


async def seconds_of_tests(service: str) -> float:
    """Seconds that the tests of a service take, one after the other. Raises UserError if one fails."""
    if service not in _seconds:
        began = time.monotonic()
        argv = [sys.executable, "-m", "pytest", "-q", f"services/{service}"]
        code, output = await run(argv, env=os.environ, cwd=repository())
        if code != 0:
            raise UserError(f"The tests of {service} failed: {output[-OUTPUT:]}")
        _seconds[service] = time.monotonic() - began
    return _seconds[service]
