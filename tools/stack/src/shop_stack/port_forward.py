"""Ports of a cluster at this machine, by `kubectl port-forward`."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import IO

from shop_stack.ports import HOST
from shop_stack.target import TargetMissing

PATIENCE = 20.0
"""The longest time, in seconds, until kubectl listens."""
LISTENING = re.compile(rf"{re.escape(HOST)}:(\d+) -> (\d+)")


class PortForward:
    """A kubectl process that listens on this machine. If it ends, it is started again on the same ports."""

    def __init__(self, kubectl: Sequence[str], resource: str, ports: Mapping[int, int]) -> None:
        """`kubectl` is the beginning of the command. `ports`: port there → port here, or 0 for one that is free."""
        self._kubectl = [*kubectl, "port-forward", f"--address={HOST}", resource]
        self.ports = dict(ports)
        """Port there → port here."""
        self._closing = threading.Event()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> PortForward:
        """Start kubectl, and wait until it listens. Raises TargetMissing if it does not."""
        self._process = self._start()
        # kubectl has chosen ports. A restarted kubectl must use the same ones.
        self.ports = self._listening(self._process)
        self._keeper = threading.Thread(target=self._keep_open, daemon=True)
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        if self._process is not None:
            self._process.terminate()
        self._keeper.join()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._kubectl, *(f"{here or ''}:{there}" for there, here in self.ports.items())],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _listening(self, process: subprocess.Popen[str]) -> dict[int, int]:
        """The ports, parsed from the first lines of kubectl: one line for each."""
        given_up = threading.Timer(PATIENCE, process.kill)
        given_up.start()
        found: dict[int, int] = {}
        line = ""
        try:
            assert process.stdout is not None
            while len(found) < len(self.ports) and (line := process.stdout.readline()):
                if ports := LISTENING.search(line):
                    found[int(ports[2])] = int(ports[1])
                else:
                    break
        finally:
            given_up.cancel()
        if len(found) < len(self.ports):
            with process:
                process.terminate()
            said = line.strip() or "it printed nothing"
            raise TargetMissing(f"kubectl port-forward {self._kubectl[-1]} does not listen: {said}")
        return found

    def _keep_open(self) -> None:
        while True:
            assert self._process is not None
            # At its exit the context closes the pipe and waits for the process.
            with self._process as process:
                _drain(process.stdout)
            if self._closing.wait(0.5):
                return
            self._process = self._start()
            if self._closing.is_set():
                self._process.terminate()


def _drain(stream: IO[str] | None) -> None:
    """Read to the end: a full pipe would block kubectl."""
    for _ in stream or ():
        pass
