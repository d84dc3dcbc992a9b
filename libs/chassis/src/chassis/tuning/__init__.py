"""Tunings: one change per file, for speed or as a guard. Each of them can be switched off.

- `SPEED`: the file makes the chassis faster. Without it the results are the same.
- `GUARDS`: the file works around a fault of a library or a bad plan of PostgreSQL, or sets a limit that a library does
  not have. Without it the fault is back, or the limit is gone. The file says which fault returns.

The docstring of each file says its kind, what it does, why, and when it can be removed. For a file of the kind `speed`
it says what the file saves and how to measure that again. For a guard it says what happens without it. Only files of
this package use private attributes of libraries.

The variable TUNING_OFF switches files off by their names: `TUNING_OFF=message_spans,planner`. `TUNING_OFF=all` switches
all of them off, also the guards: use it to measure or to test, and not in production.
"""

SPEED = frozenset(
    {
        "fast_refusals",
        "garbage_collector",
        "message_spans",
        "seldom_ticks",
        "span_encoding",
    }
)
GUARDS = frozenset(
    {
        "accept_queue",
        "closed_connections",
        "fence_requests",
        "fetch_together",
        "leave_while_joining",
        "planner",
        "request_deadlines",
        "stop_without_flush",
        "tolerant_records",
    }
)
TUNINGS = SPEED | GUARDS


class UnknownTuning(ValueError):
    """TUNING_OFF contains a name that is not in this package."""


class Tuning:
    """The files of this package that are in use: all except the files that `off` names. Commas separate the names."""

    def __init__(self, off: str = "") -> None:
        """Raises UnknownTuning for a name that is neither `all` nor a file of this package."""
        names = {name.strip() for name in off.split(",") if name.strip()}
        if unknown := names - TUNINGS - {"all"}:
            known = ", ".join(sorted(TUNINGS))
            raise UnknownTuning(f"TUNING_OFF: {', '.join(sorted(unknown))} is not one of: all, {known}")
        self._on = frozenset[str]() if "all" in names else TUNINGS - names

    def has(self, name: str) -> bool:
        """Whether the file `name` is in use."""
        return name in self._on
