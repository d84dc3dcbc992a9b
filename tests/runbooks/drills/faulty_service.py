"""A service with a planted fault: `python faulty_service.py SERVICE FAULT`, by the service's own Python."""

import importlib
import sys
from typing import Any

from chassis.kafka import consumer, publisher
from chassis.observability import status
from chassis.server import serve

BROKEN_KEY = "BROKEN"


def impatient_watchdog() -> None:
    """The consumer is cut off after seconds, where its limits are minutes."""
    vars(consumer)["BATCH_SECONDS"] = 6.0
    new_status: Any = vars(status)["TaskStatus"].__init__
    new_status.__defaults__ = (3.0,)  # STALLED_SECONDS


def unsendable_row() -> None:
    """The relay fails on the rows of one key, as a bug of a release may have it."""
    encode: Any = vars(publisher)["encode"]

    def fails_on_one_key(*arguments: Any) -> Any:
        if arguments[3] == BROKEN_KEY:
            raise TypeError("a bug of this release")
        return encode(*arguments)

    vars(publisher)["encode"] = fails_on_one_key


FAULTS = {"impatient-watchdog": impatient_watchdog, "unsendable-row": unsendable_row}

if __name__ == "__main__":
    FAULTS[sys.argv[2]]()
    serve(importlib.import_module(f"{sys.argv[1]}.main").create_service)
