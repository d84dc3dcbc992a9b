"""`shop doctor`: checks this machine, and says how to fix each fault."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

import typer
from rich.console import Console
from rich.table import Table

from shop_stack import checks, deployments, embedded, kafka, paths, postgres_programs, venvs
from shop_stack.errors import UserError
from shop_stack.stack import Stack

OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True)
class Finding:
    """The result of one check. `cure` says how to fix the fault; it is empty if there is none."""

    what: str
    found: str
    cure: str = ""


def doctor() -> None:
    """Check this machine, and print how to fix each fault. Exit code 1 if there is one.

    It looks at Python, programs, disk, ports, downloads, environments and deployed releases.
    """
    findings = examine(embedded.stack())
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        mark = "[red]✗[/]" if finding.cure else "[green]✓[/]"
        table.add_row(mark, finding.what, finding.cure or finding.found)
    Console().print(table)
    if any(finding.cure for finding in findings):
        raise typer.Exit(1)


def examine(stack: Stack) -> list[Finding]:
    """Carry out every check. No check changes anything."""
    return [
        _python(),
        _check("uv", lambda: str(venvs.uv())),
        _check("PostgreSQL", lambda: str(postgres_programs.binaries())),
        _check("Java", lambda: str(kafka.java())),
        _check("disk", lambda: _disk(stack)),
        _check("ports", lambda: _ports(stack)),
        _check("Kafka's jars", _jars),
        _check("environments", lambda: _environments(stack)),
        _check("releases", lambda: _releases(stack)),
    ]


def _check(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, look())
    except UserError as error:
        return Finding(what, "", str(error))


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        return Finding("Python", version, f"Python {version} is too old: install Python 3.11 or newer.")
    return Finding("Python", f"{version} ({sys.executable})")


def _disk(stack: Stack) -> str:
    checks.disk(stack.state)
    return f"enough disk space in {stack.state}"


def _ports(stack: Stack) -> str:
    checks.ports(stack)
    return f"{stack.ports.base} and up: free, or used by this shop"


def _jars() -> str:
    jars = asyncio.run(kafka.classpath(paths.cache_folder()))
    return f"{len(jars.split(os.pathsep))} jars"


def _releases(stack: Stack) -> str:
    """The releases that were deployed. Raises UserError if the code of one is gone."""
    projects = [release.project for release in deployments.deployed(stack).values()]
    return ", ".join(project.name for project in projects) or "every service runs the clone"


def _environments(stack: Stack) -> str:
    services = [stack.deployment(service).now.project for service in stack.services]
    projects = [venvs.processor(), venvs.issuer(), *services]
    stale = [project.name for project in projects if not venvs.is_current(project)]
    return f"`shop up` will build {', '.join(stale)}" if stale else "all built"
