"""The examples in the READMEs of the services work as they are printed, on a shop that has the catalogue.

Only the ports are changed: those of the shop of the tests stand in the place of 18001 to 18005.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shop_load.catalogue import ensure_catalogue
from shop_stack.ports import DEFAULT_BASE, SERVICES

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
PORT = re.compile(rf"\blocalhost:{DEFAULT_BASE // 1000}(\d{{3}})\b")
CURL = re.compile(r"\bcurl ")
FORETOLD = re.compile(r"# .*?\b([45]\d\d)\b")
"""A comment beside a command that names the error which is a good answer too."""
SECONDS = 60
LOGIN = '-H "Authorization: Bearer $(.venv/bin/shop token operator)"'
CURLRC = (
    'silent\nshow-error\nnoproxy = "*"\nmax-time = 20\nwrite-out = "%{stderr}\\nanswer %{http_code}\\n"\n'
)
"""Options of curl that change no request: each answer's status is written to stderr."""


@dataclass(frozen=True)
class Ran:
    """What became of a script."""

    code: int
    statuses: Sequence[int]
    """The HTTP status of each curl, in order."""
    output: str


def examples(service: str) -> str:
    """The blocks of a service's README in which curl is called, as one script."""
    blocks = FENCE.findall((ROOT / "services" / service / "README.md").read_text())
    return "\n".join(block for block in blocks if CURL.search(block))


def commands(script: str) -> list[str]:
    """The calls of curl in a script, each with what stands behind it up to the next."""
    return ["curl " + rest for rest in CURL.split(script)[1:]]


def faults_of(script: str, ran: Ran) -> list[str]:
    """What in a script did not work: each curl that was refused, or that was not reached."""
    faults = []
    for number, command in enumerate(commands(script)):
        status = ran.statuses[number] if number < len(ran.statuses) else 0
        foretold = FORETOLD.search(command)
        if not 200 <= status < 300 and not (foretold and int(foretold[1]) == status):
            faults.append(f"{status}: {command.strip()}")
    if ran.code != 0:
        faults.append(f"the script ended with {ran.code}: {ran.output[-2_000:]}")
    return faults


async def run(floor: Any, script: str, home: Path) -> Ran:
    """Run a script in bash, as a reader in the root of the repository would, and stop at the first failure."""
    (home / ".curlrc").write_text(CURLRC)
    base = floor.stack.ports.base
    moved = PORT.sub(lambda found: f"localhost:{base + int(found[1])}", script)
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euo", "pipefail", "-c", moved],
        cwd=ROOT,
        env={
            **os.environ,
            "CURL_HOME": str(home),
            "SHOP_STATE": str(floor.stack.state),
            "SHOP_TARGET": "embedded",
        },
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    statuses = [int(status) for status in re.findall(r"^answer (\d+)$", done.stderr, re.MULTILINE)]
    return Ran(done.returncode, statuses, done.stdout + done.stderr)


@pytest.mark.parametrize("service", SERVICES)
async def test_the_examples_of_a_readme_work_as_printed(floor: Any, tmp_path: Path, service: str) -> None:
    await ensure_catalogue(floor.target)
    script = examples(service)
    assert commands(script)
    assert faults_of(script, await run(floor, script, tmp_path)) == []


async def test_the_oracle_holds_after_the_examples(floor: Any) -> None:
    evidence = await floor.assert_that_the_oracle_holds()
    assert evidence.dead_letters == []


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        (f"curl localhost:18001/orders/none {LOGIN}", "422: curl"),
        ("curl localhost:18001/orders/none", "401: curl"),
        (f"curl localhost:18002/products/none {LOGIN}   # 409 if it is none", "404: curl"),
        ("order=$(false)\ncurl localhost:18001/prices", "0: curl"),
        (f"curl localhost:18001/prices {LOGIN}\nfalse", "the script ended with 1"),
    ],
)
async def test_an_example_that_does_not_work_is_seen(
    floor: Any, tmp_path: Path, script: str, fault: str
) -> None:
    faults = faults_of(script, await run(floor, script, tmp_path))
    assert any(one.startswith(fault) for one in faults), faults


async def test_an_error_that_a_comment_foretells_is_a_good_answer(floor: Any, tmp_path: Path) -> None:
    script = f"curl localhost:18002/products/none {LOGIN}   # 404: there is none"
    assert faults_of(script, await run(floor, script, tmp_path)) == []
