"""A nursery gives birth to processes that run a main module, each with an environment and points of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from testkit import eventually
from tests.crash_points.injection import ARMED, LOG
from tests.crash_points.nursery import MODULE, SOCKET, ask_for_process
from tests.crash_points.test_injection import POINT, environment_of, plant

MAIN = """
import asyncio
import os
from chassis.outbox.planted import twice

if __name__ == "__main__":
    asyncio.run(twice())
    print(os.environ["GREETING"], flush=True)
"""


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Path]:
    """The socket of a nursery of a planted program. Its output and that of its processes is in `output`."""
    plant(tmp_path)
    (tmp_path / "planted_main.py").write_text(MAIN)
    socket = tmp_path / "socket"
    environment = environment_of(tmp_path) | {SOCKET: str(socket), MODULE: "planted_main"}
    with (tmp_path / "output").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "planted_main"], env=environment, stdout=output, stderr=output
        )
        try:
            yield socket
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


async def asked(socket: Path, armed: str) -> list[str]:
    """What the log of a new process has when it has ended."""

    async def is_there() -> None:
        assert socket.exists()

    await eventually(is_there, 30)
    log = socket.with_name("log")
    log.unlink(missing_ok=True)
    environment = {**os.environ, LOG: str(log), ARMED: armed, "GREETING": f"hello {armed or 'world'}"}
    pid = ask_for_process(socket, environment)

    async def has_ended() -> None:
        assert not psutil.pid_exists(pid)

    await eventually(has_ended, 30)
    return log.read_text().splitlines()


async def test_each_process_of_a_nursery_has_an_environment_and_points_of_its_own(nursery: Path) -> None:
    assert await asked(nursery, "") == [POINT, POINT]
    assert await asked(nursery, f"kill {POINT} 1") == [POINT, f"! {POINT}"]
    assert await asked(nursery, "") == [POINT, POINT]
    output = nursery.with_name("output").read_text()
    assert output == "after 1\nafter 2\nhello world\n" * 2
