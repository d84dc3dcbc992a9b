"""Programs that the benchmark runs in the environment of a service, so that they use the same libraries.

Each takes its settings as one JSON object on the command line, and prints its result as one JSON object. The login at
Kafka is in the environment, because every user of the machine can read a command line.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop


def main(probe: Callable[..., Coroutine[Any, Any, dict[str, Any]]]) -> None:
    """Run a probe with the settings of the command line, on the same event loop as the services.

    Its argument `kafka` is the login of the lab, as arguments of a client of aiokafka.
    """
    kafka = json.loads(os.environ["PROBE_KAFKA"])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(probe(kafka=kafka, **json.loads(sys.argv[1])))))
