"""Whether this machine has what a fault needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shop_chaos.catalogue import Experiment, faults
from shop_chaos.injectors import clock, disk
from shop_stack.connect import TargetKind, chosen_kind

HERE: Mapping[str, Callable[[], bool]] = {
    "the right to mount": disk.may_mount,
    "a cluster": lambda: chosen_kind() == "k8s",
    "libfaketime": lambda: clock.library() is not None,
}
"""What a fault may need → whether it is here."""


def missing(experiment: Experiment) -> str:
    """What an experiment lacks here, one sentence; empty if it can run."""
    target = chosen_kind()
    if target is not TargetKind.EMBEDDED and (reason := _only_with_processes(experiment)):
        return f"{reason}, and {target} has none"
    for name in experiment.faults:
        fault = faults().of(name)
        lacking = [need for need in fault.needs if not HERE[need]()]
        if lacking:
            return f"{name} needs {', '.join(lacking)}"
        if target not in fault.targets:
            return f"{name} has no injection for {target}"
    return ""


def _only_with_processes(experiment: Experiment) -> str:
    """The reason why an experiment needs the embedded stack, apart from its faults. Empty if there is none."""
    if any(step["provider"]["func"] == "measure" for step in experiment.document["method"]):
        return "it measures processes of the embedded stack"
    if experiment.settings or experiment.brokers > 1:
        return "it needs a shop with settings of its own"
    return ""
