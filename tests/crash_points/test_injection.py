"""A process that is started with its points is killed, cancelled or frozen at one of them, and no other one is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from shop_stack import paths
from testkit import eventually
from tests.crash_points.injection import ARMED, LOG

PLANTED = """
import asyncio

async def twice():
    for number in (1, 2):
        await asyncio.sleep(0)
        print("after", number, flush=True)
"""
PROGRAM = """
import asyncio
from chassis.outbox.planted import twice
try:
    asyncio.run(twice())
except asyncio.CancelledError:
    print("cancelled")
"""
POINT = "chassis.outbox.planted:twice:1"


def plant(folder: Path) -> None:
    """Write a chassis with one covered module."""
    package = folder / "chassis" / "outbox"
    package.mkdir(parents=True, exist_ok=True)
    (folder / "chassis" / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "planted.py").write_text(PLANTED)


def environment_of(folder: Path) -> dict[str, str]:
    """The environment of a process that imports the planted chassis, and whose imports have the hook."""
    child = Path(__file__).parent / "child"
    return {**os.environ, "PYTHONPATH": f"{child}:{folder}:{paths.repository()}"}


def start(folder: Path, armed: str | None) -> subprocess.Popen[str]:
    """A process that imports a planted chassis. It has its points if `armed` is a text."""
    plant(folder)
    settings = {} if armed is None else {LOG: str(folder / "log"), ARMED: armed}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=environment_of(folder) | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_without_the_variable_a_process_has_no_points(tmp_path: Path) -> None:
    process = start(tmp_path, None)
    assert (process.communicate()[0], process.returncode) == ("after 1\nafter 2\n", 0)
    assert not (tmp_path / "log").exists()


def test_a_process_that_is_not_armed_writes_the_points_that_it_reaches(tmp_path: Path) -> None:
    process = start(tmp_path, "")
    assert (process.communicate()[0], process.returncode) == ("after 1\nafter 2\n", 0)
    assert (tmp_path / "log").read_text().splitlines() == [POINT, POINT]


@pytest.mark.parametrize(
    ("armed", "output", "code"),
    [
        (f"kill {POINT} 1", "", -signal.SIGKILL),
        (f"kill {POINT} 2", "after 1\n", -signal.SIGKILL),
        (f"cancel {POINT} 2", "after 1\ncancelled\n", 0),
    ],
)
def test_a_process_is_struck_at_the_armed_occurrence(
    tmp_path: Path, armed: str, output: str, code: int
) -> None:
    process = start(tmp_path, armed)
    assert (process.communicate()[0], process.returncode) == (output, code)
    assert (tmp_path / "log").read_text().splitlines()[-1] == f"! {POINT}"


def test_a_point_that_is_not_reached_often_enough_strikes_nothing(tmp_path: Path) -> None:
    process = start(tmp_path, f"kill {POINT} 3")
    assert process.communicate()[0] == "after 1\nafter 2\n"
    assert "!" not in (tmp_path / "log").read_text()


async def test_a_frozen_process_stands_still_until_it_is_told_to_go_on(tmp_path: Path) -> None:
    process = start(tmp_path, f"freeze {POINT} 2")

    async def stands_still() -> None:
        assert psutil.Process(process.pid).status() == psutil.STATUS_STOPPED

    await eventually(stands_still, 30)
    process.send_signal(signal.SIGCONT)
    assert (process.communicate()[0], process.returncode) == ("after 1\nafter 2\n", 0)


def test_compiled_files_of_a_process_without_points_are_not_changed(tmp_path: Path) -> None:
    start(tmp_path, "").communicate()
    process = start(tmp_path, None)
    assert (process.communicate()[0], process.returncode) == ("after 1\nafter 2\n", 0)
