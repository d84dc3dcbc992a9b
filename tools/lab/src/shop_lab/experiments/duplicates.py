"""Counts the events that were delivered to a service more than once, by the service's own metrics."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import httpx

LINE = re.compile(r'^chassis_events_consumed_total\{.*outcome="duplicate".*\} ([0-9.e+]+)$', re.MULTILINE)
STARTED = re.compile(r"^process_start_time_seconds ([0-9.e+]+)$", re.MULTILINE)

Process = TypeVar("Process", bound=Hashable)
Counts = Mapping[tuple[int, float], int]
"""(management port, start time of the process) → duplicates since that start."""


async def read(ports: Sequence[int]) -> Counts:
    """The counts of each process that has one of these management ports."""
    counts = {}
    async with httpx.AsyncClient(trust_env=False, timeout=10.0) as client:
        for port in ports:
            text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
            counts[port, started_in(text)] = counted(text)
    return counts


def counted(metrics: str) -> int:
    """The duplicates of all event types in the metrics of a process."""
    return sum(int(float(count)) for count in LINE.findall(metrics))


def started_in(metrics: str) -> float:
    """The start time of a process by its metrics, in seconds since the epoch; 0 if they do not tell it."""
    started = STARTED.search(metrics)
    return float(started[1]) if started else 0.0


def between(before: Mapping[Process, int], after: Mapping[Process, int]) -> int:
    """The duplicates between two moments, from the counts of each. A process that is new counts from its start."""
    return sum(count - before.get(process, 0) for process, count in after.items())
