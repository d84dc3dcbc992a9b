"""Processes that outlive the command that started them."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from shop_stack.process import Daemon, run
from testkit import eventually

WAITS = "import signal; print('waits', flush=True); signal.pause()"
IS_DEAF = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('waits', flush=True); signal.pause()"
)
HAS_A_CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WAITS!r}])"


async def started(state: Path, code: str = WAITS) -> Daemon:
    """A daemon that has come as far as to write its first line."""
    daemon = Daemon("sleeper", state)
    daemon.start([sys.executable, "-c", code], env=os.environ)

    async def waits() -> None:
        assert "waits" in daemon.tail()

    await eventually(waits)
    return daemon


async def test_a_daemon_is_found_again_by_its_pid_file(tmp_path: Path) -> None:
    daemon = await started(tmp_path)
    again = Daemon("sleeper", tmp_path)
    assert again.pid == daemon.pid is not None
    await daemon.stop()
    assert again.pid is None


async def test_a_daemon_is_in_a_session_of_its_own_so_that_ctrl_c_does_not_reach_it(tmp_path: Path) -> None:
    daemon = await started(tmp_path)
    assert daemon.pid is not None
    assert os.getsid(daemon.pid) != os.getsid(0)
    await daemon.kill()


async def test_a_pid_that_was_given_to_another_process_since_is_not_taken_for_the_daemon(
    tmp_path: Path,
) -> None:
    daemon = await started(tmp_path)
    facts = json.loads(daemon.pid_file.read_text())
    daemon.pid_file.write_text(json.dumps({**facts, "started": facts["started"] - 3600}))
    assert daemon.process() is None
    await daemon.stop()
    assert psutil.pid_exists(facts["pid"])
    psutil.Process(facts["pid"]).kill()


@pytest.mark.skipif(not psutil.LINUX, reason="the time since the boot is Linux'")
async def test_a_daemon_is_found_after_the_clock_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = await started(tmp_path)
    pid = daemon.pid
    boot_time = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: boot_time + 3600)
    assert daemon.pid == pid is not None
    await daemon.stop()
    assert not psutil.pid_exists(pid)


@pytest.mark.skipif(not psutil.LINUX, reason="the time since the boot is Linux'")
async def test_a_process_of_an_earlier_boot_is_not_taken_for_one_of_this(tmp_path: Path) -> None:
    daemon = await started(tmp_path)
    recorded = daemon.pid_file.read_text()
    daemon.pid_file.write_text(json.dumps({**json.loads(recorded), "boot": "another"}))
    assert daemon.process() is None
    daemon.pid_file.write_text(recorded)
    await daemon.kill()


async def test_a_daemon_of_an_earlier_version_is_found_by_the_wall_clock(tmp_path: Path) -> None:
    daemon = await started(tmp_path)
    pid = daemon.pid
    assert pid is not None
    daemon.pid_file.write_text(json.dumps({"pid": pid, "started": psutil.Process(pid).create_time()}))
    assert daemon.pid == pid
    await daemon.kill()


async def test_a_daemon_that_ignores_sigterm_is_killed_when_patience_ends(tmp_path: Path) -> None:
    daemon = await started(tmp_path, IS_DEAF)
    assert await daemon.stop(patience=0.2)
    assert daemon.pid is None


async def test_killing_a_daemon_ends_its_children_too(tmp_path: Path) -> None:
    daemon = await started(tmp_path, HAS_A_CHILD)
    running = daemon.process()
    assert running is not None
    (child,) = running.children()
    await daemon.kill()

    async def gone() -> None:
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE

    await eventually(gone)


def test_a_process_that_could_not_be_written_down_does_not_run_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    before = set(psutil.Process().children())
    with pytest.raises(OSError, match="No space left"):
        Daemon("sleeper", tmp_path).start([sys.executable, "-c", WAITS], env=os.environ)
    assert set(psutil.Process().children()) <= before


async def test_stopping_what_does_not_run_is_no_error(tmp_path: Path) -> None:
    daemon = Daemon("nobody", tmp_path)
    daemon.send(signal.SIGTERM)
    assert not await daemon.stop()
    await daemon.kill()
    assert daemon.tail() == ""
    assert daemon.resources() is None
    assert daemon.uptime() is None


async def test_memory_is_summed_over_a_daemon_and_its_children(tmp_path: Path) -> None:
    alone = await started(tmp_path / "alone")
    family = await started(tmp_path / "family", HAS_A_CHILD)
    one, two = alone.resources(), family.resources()
    assert one is not None
    assert two is not None
    assert two.resident > one.resident > 0
    # What both share is counted once.
    assert 0 < one.proportional <= one.resident
    await alone.kill()
    await family.kill()


async def test_a_log_is_appended_to_and_its_end_is_shown(tmp_path: Path) -> None:
    daemon = Daemon("talker", tmp_path)
    for round_ in ("first", "second"):
        daemon.start([sys.executable, "-c", f"print('{round_}')"], env=os.environ)

        async def ended() -> None:
            assert daemon.process() is None

        await eventually(ended)
    assert daemon.tail().split() == ["first", "second"]
    assert daemon.tail(1) == "second"


async def test_a_command_that_fails_tells_its_code_and_output() -> None:
    assert await run([sys.executable, "-c", "print('no'); raise SystemExit(3)"], env=os.environ) == (3, "no")
