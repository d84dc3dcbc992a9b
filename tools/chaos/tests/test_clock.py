"""A moved clock is another time of day, and the same monotonic clock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from shop_chaos.injectors import clock
from shop_stack.errors import UserError

SAID = "import json, time; print(json.dumps([time.time(), time.monotonic()]))"


@pytest.mark.skipif(clock.library() is None, reason="a clock is moved by libfaketime, which is not installed")
@pytest.mark.parametrize("minutes", [10, -10])
def test_the_time_of_day_is_moved_and_the_monotonic_clock_is_not(minutes: int) -> None:
    argv = [sys.executable, "-c", SAID]
    said = subprocess.run(
        argv, env={**os.environ, **clock.preloaded(minutes)}, capture_output=True, check=True
    )
    day, monotonic = json.loads(said.stdout)
    assert day - time.time() == pytest.approx(60 * minutes, abs=100)
    assert monotonic == pytest.approx(time.monotonic(), abs=100)


def test_without_the_library_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "library", lambda: None)
    with pytest.raises(UserError, match="install the package libfaketime"):
        clock.preloaded(10)
