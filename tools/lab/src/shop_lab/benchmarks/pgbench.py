"""Runs a script with `pgbench -M prepared`."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shop_lab.testbed import Testbed
from shop_stack import postgres_programs
from shop_stack.errors import UserError

CLIENTS = 16


@dataclass(frozen=True, slots=True)
class Run:
    """The result of pgbench. Times are seconds."""

    transactions: int
    wall: float
    cpu: float
    """CPU time of pgbench itself."""


async def run(
    testbed: Testbed, script: Path, database: str, transactions: int, values: Mapping[str, str]
) -> Run:
    """Run the script about `transactions` times with CLIENTS clients. `values` are its variables. Raises UserError."""
    return await asyncio.to_thread(_run, testbed, script, database, max(1, transactions // CLIENTS), values)


def _run(testbed: Testbed, script: Path, database: str, per_client: int, values: Mapping[str, str]) -> Run:
    server = testbed.stack.server
    argv = [str(postgres_programs.binaries() / "pgbench"), "-M", "prepared", "-n", "-f", str(script)]
    argv += ["-c", str(CLIENTS), "-j", "2", "-t", str(per_client)]
    argv += [word for name, value in values.items() for word in ("-D", f"{name}={value}")]
    argv += ["-h", server.host, "-p", str(server.port), "-U", server.superuser, database]
    environment = {**os.environ, "PGPASSWORD": server.password}
    began = time.monotonic()
    child = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert child.stdout is not None
    output = child.stdout.read().decode()
    _, status, usage = os.wait4(child.pid, 0)  # Popen.wait() does not return the CPU time of the child
    wall = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0 or "number of failed transactions: 0 " not in output:
        raise UserError(f"pgbench failed: {output[-600:]}")
    return Run(per_client * CLIENTS, wall, usage.ru_utime + usage.ru_stime)
