"""Medians and percentiles over rounds."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


def percentiles(rounds: Sequence[Sequence[float]]) -> dict[str, float]:
    """Percentile → its median over the rounds, in milliseconds. The samples of a round are sorted seconds."""
    return {name: 1000 * median(at(samples, share) for samples in rounds) for name, share in SHARES.items()}


def at(samples: Sequence[float], share: float) -> float:
    """The percentile `share` (0 to 1) of sorted samples, by nearest rank."""
    return samples[min(len(samples) - 1, int(share * len(samples)))]


def pooled(rounds: Sequence[Sequence[float]]) -> list[float]:
    """All samples of all rounds in milliseconds, smallest first."""
    return sorted(1000 * sample for samples in rounds for sample in samples)
