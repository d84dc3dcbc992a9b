"""How to read the files and the logs of a shop that runs in containers or on a cluster: commands that print them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shop_stack import kubernetes
from shop_stack.outside import program

FOLDERS = {"postgres": "/var/lib/postgresql", "kafka": "/var/lib/kafka/data", "issuer": "/data"}
"""Part → the folder with its data, inside of its container."""
ALL_PODS = "app.kubernetes.io/part-of=shopfloor"


def archives(target: str) -> Mapping[str, Sequence[str]]:
    """Part → a command that prints the files of its data as a tar archive. `target` is `compose` or `k8s`.

    Raises TargetMissing if docker or kubectl is not on the PATH.
    """
    return {part: [*_inside(target, part), "tar", "-cf", "-", "-C", FOLDERS[part], "."] for part in FOLDERS}


def logs(target: str) -> Sequence[str]:
    """A command that prints the logs of all containers. Raises TargetMissing if docker or kubectl is missing."""
    if target == "compose":
        return [program("docker"), "compose", "logs", "--no-color"]
    of_pods = ["logs", "--selector", ALL_PODS, "--all-containers", "--prefix", "--tail=-1"]
    return [*_kubectl(), *of_pods, "--ignore-errors", "--max-log-requests=99"]


def _inside(target: str, part: str) -> list[str]:
    """The beginning of a command that runs in a part's container."""
    if target == "compose":
        return [program("docker"), "compose", "exec", "--no-TTY", part]
    return [*_kubectl(), "exec", f"statefulset/{part}", "--"]


def _kubectl() -> list[str]:
    return [program("kubectl"), "--namespace", kubernetes.namespace()]
