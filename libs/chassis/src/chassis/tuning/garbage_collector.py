"""Fewer runs of Python's cycle collector.

Kind: speed. Without it the results are the same.
What it does: the collector looks for cycles after 20,000 new objects and not after 700, and never looks at the objects
that were imported before the service started.
Why: thousands of spans and messages are created and freed, and they have no cycles.
What it saves: see docs/performance.md; measure again with `TUNING_OFF=garbage_collector shop bench --only cpu`.
Can be removed when: Python's own thresholds are as high. It uses public functions only.
"""

import gc

THRESHOLDS = (20_000, 20, 50)


def collect_seldom() -> None:
    """Call it once, after all imports."""
    gc.set_threshold(*THRESHOLDS)
    gc.freeze()
