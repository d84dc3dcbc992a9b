"""One lab, judged: its steps in order, until one finds that something is missing."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence

from shop.labs.checks import CHECKS, COMMAND
from shop.labs.evidence import Evidence
from shop.labs.pages import Lab
from shop_stack.connect import VARIABLE

Run = Callable[[Sequence[str]], bool]
"""Runs a command of `shop`, without its first word. Returns whether it succeeded."""


def missing(lab: Lab, evidence: Evidence, run: Run) -> str:
    """One sentence with what is missing; empty if the lab is done."""
    for step in lab.check:
        name, *arguments = shlex.split(step)
        if name == COMMAND:
            fault = "" if run(arguments) else f"`{step}` does not succeed: run it, and read why."
        else:
            fault = CHECKS[name](evidence, *arguments)
        if fault:
            return fault
    return ""


def run_shop(lab: Lab) -> Run:
    """Runs commands on the target of a lab, without their output."""

    def run(arguments: Sequence[str]) -> bool:
        command = [sys.executable, "-m", "shop", *arguments]
        environment = {**os.environ, VARIABLE: lab.target}
        return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0

    return run
