"""Shortcuts that make the chassis faster, and workarounds for libraries. The results are the same without them.

Each file is one such thing. It says what it does, what it saves and how to measure that again, which release of the
library would make it needless, and it is the only place that touches private attributes of libraries. The variable
TUNING_OFF switches them off by their file's name: `TUNING_OFF=message_spans,planner`, or `TUNING_OFF=all`.
"""

TRICKS = frozenset(
    {
        "accept_queue",
        "fast_refusals",
        "fence_requests",
        "fetch_together",
        "garbage_collector",
        "leave_while_joining",
        "message_spans",
        "planner",
        "request_deadlines",
        "span_encoding",
        "tolerant_records",
        "stop_without_flush",
    }
)


class UnknownTrick(ValueError):
    """TUNING_OFF names something that is not in this package."""


class Tuning:
    """Which files of this package are in use: all but those that `off` names, separated by commas."""

    def __init__(self, off: str = "") -> None:
        """Raises UnknownTrick for a name that is neither `all` nor a file of this package."""
        names = {name.strip() for name in off.split(",") if name.strip()}
        if unknown := names - TRICKS - {"all"}:
            known = ", ".join(sorted(TRICKS))
            raise UnknownTrick(f"TUNING_OFF: {', '.join(sorted(unknown))} is not one of: all, {known}")
        self._on = frozenset[str]() if "all" in names else TRICKS - names

    def has(self, trick: str) -> bool:
        """Whether `trick` is in use."""
        return trick in self._on
