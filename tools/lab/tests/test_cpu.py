"""CPU is counted wherever it went, for a process that has ended took its time with it."""

from __future__ import annotations

import subprocess
import sys

import psutil

from shop_lab.cpu import Clock, family_seconds

BURNT = 0.2
PARENT = f"""
import subprocess, sys
burn = "import time\\nwhile time.process_time() < {BURNT}: pass"
subprocess.run([sys.executable, "-c", burn], check=True)
print("its child has ended", flush=True)
sys.stdin.read()
"""


def test_the_time_of_a_child_that_has_ended_is_its_parents() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        family = psutil.Process(parent.pid)
        assert family.children() == []
        # The clock of the kernel ticks a hundred times a second.
        assert family_seconds(family) >= BURNT - 0.02
        parent.communicate()


def test_customers_and_the_card_processor_are_told_apart() -> None:
    before = Clock(10.0, {"orders": 1.0, "processor": 5.0})
    after = Clock(12.0, {"orders": 1.5, "processor": 9.0, "kafka": 0.25})
    spent = after.since(before)
    assert spent.wall == 2.0
    assert spent.parts == {"orders": 0.5, "processor": 4.0, "kafka": 0.25}
    assert spent.cost == 0.75
