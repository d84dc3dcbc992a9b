"""Whether this machine has what a fault needs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from shop_chaos.catalogue import Experiment, faults
from shop_stack.connect import chosen_kind

HERE: Mapping[str, Callable[[], bool]] = {
    "root": lambda: os.geteuid() == 0,
    "several brokers": lambda: False,
    "a cluster": lambda: chosen_kind() == "k8s",
    "toxiproxy": lambda: shutil.which("toxiproxy-server") is not None,
    "libfaketime": lambda: any(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")),
}
"""What a fault may need → whether it is here. The embedded stack has one broker."""


def missing(experiment: Experiment) -> str:
    """What an experiment lacks here, one sentence; empty if it can run."""
    target = chosen_kind()
    for name in experiment.faults:
        fault = faults().of(name)
        lacking = [need for need in fault.needs if not HERE[need]()]
        if lacking:
            return f"{name} needs {', '.join(lacking)}"
        if target not in fault.targets:
            return f"{name} has no injection for {target}"
    return ""
