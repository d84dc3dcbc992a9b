"""Whether this machine has what a fault needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shop_chaos.catalogue import Experiment, faults
from shop_chaos.injectors import clock, disk
from shop_stack.connect import chosen_kind

HERE: Mapping[str, Callable[[], bool]] = {
    "the right to mount": disk.may_mount,
    "a cluster": lambda: chosen_kind() == "k8s",
    "libfaketime": lambda: clock.library() is not None,
}
"""What a fault may need → whether it is here."""


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
