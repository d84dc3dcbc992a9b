"""Programs that the benchmark runs in the environment of a service, so that they use the same libraries.

Each takes its settings as one JSON object on the command line, and prints its result as one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop


def main(probe: Callable[..., Coroutine[Any, Any, dict[str, Any]]]) -> None:
    """Run a probe with the settings of the command line, on the same event loop as the services."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(probe(**json.loads(sys.argv[1])))))
