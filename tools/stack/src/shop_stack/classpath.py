"""Find (and if need be download) the broker's jars; prints their class path.

    python -m shop_stack.classpath

A process of its own, so that a download can be ended by ending it.
"""

from __future__ import annotations

import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor

# Exactly one coordinate: naming kafka-tools beside it makes jgo choose clients of an older Kafka.
COORDINATE = "org.apache.kafka:kafka_2.13:4.3.1"
DOWNLOADS_AT_ONCE = 8


def main() -> int:
    import jgo
    import requests

    logging.disable(logging.WARNING)
    try:
        artifacts = jgo.resolve(COORDINATE)
        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
            jars = list(pool.map(lambda artifact: str(artifact.resolve()), artifacts))
    except (requests.RequestException, RuntimeError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(os.pathsep.join(jars))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
