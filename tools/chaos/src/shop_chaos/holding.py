"""Holds something open in a process of its own while a fault lasts, and counts what it has done.

A connection or a signal that repeats needs a process. It has a pid file like every part, so that `heal` ends it, also
after the runner was killed.

    python -m shop_chaos.holding COUNT_FILE slow PID_FILE SHARE
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import asyncpg
import psutil

from shop_stack.errors import UserError
from shop_stack.parts import child_environment
from shop_stack.process import Daemon

PERIOD_SECONDS = 0.1
START_SECONDS = 60.0
URL = "CHAOS_DATABASE_URL"


async def begin(state: Path, what: str, *arguments: str, **environment: str) -> None:
    """Start to hold, and return when it has begun. Raises UserError if it does not begin."""
    write_count(state, what, 0)
    argv = [
        sys.executable,
        "-m",
        "shop_chaos.holding",
        str(_count_file(state, what)),
        what,
        *arguments,
    ]
    daemon = _daemon(state, what)
    daemon.start(argv, env=child_environment(environment))

    async def has_begun() -> bool:
        return counted(state, what) > 0

    await daemon.until_ready(
        has_begun,
        START_SECONDS,
        ended=lambda: f"The fault {what} could not be injected: {daemon.tail(3)}",
        late=f"The fault {what} had no effect after {START_SECONDS:.0f} s.",
    )


async def end(state: Path, what: str) -> None:
    """Stop to hold. It may be called again."""
    await _daemon(state, what).stop()


def counted(state: Path, what: str) -> int:
    """The count of what was done so far; 0 if it did not begin."""
    return counts(state, what).get("", 0)


def counts(state: Path, what: str) -> dict[str, int]:
    """Name → count of what was done so far; {} if it did not begin. A count without a name has the name ''."""
    try:
        found = json.loads(_count_file(state, what).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {"": int(found)}


def write_count(state: Path, what: str, count: int) -> None:
    """Set the count."""
    _write(_count_file(state, what), count)


def _daemon(state: Path, what: str) -> Daemon:
    return Daemon(f"chaos-{what}", state)


def _count_file(state: Path, what: str) -> Path:
    return state / "run" / f"chaos-{what}.count"


def _write(file: Path, count: int | Mapping[str, int]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".new")
    unfinished.write_text(json.dumps(count))
    unfinished.replace(file)


# --- In the process that holds --------------------------------------------------------------------


def slow(count_file: Path, pid_file: str, share: str) -> None:
    """Suspend and resume a process and its children, until SIGTERM. The last signal resumes them."""
    pid = json.loads(Path(pid_file).read_text())["pid"]
    suspensions = 0
    try:
        while True:
            family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
            _send(family, signal.SIGSTOP)
            time.sleep(PERIOD_SECONDS * float(share))
            _send(family, signal.SIGCONT)
            suspensions += 1
            _write(count_file, suspensions)
            time.sleep(PERIOD_SECONDS * (1 - float(share)))
    except psutil.NoSuchProcess:
        sys.exit(f"process {pid} does not run")
    finally:
        with suppress(psutil.NoSuchProcess):
            _send([psutil.Process(pid), *psutil.Process(pid).children(recursive=True)], signal.SIGCONT)


def _send(family: list[psutil.Process], sign: signal.Signals) -> None:
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.send_signal(sign)


def transaction(count_file: Path) -> None:
    """Hold a transaction open that has an id and a snapshot, until SIGTERM."""

    async def hold() -> None:
        connection = await asyncpg.connect(os.environ[URL], timeout=10)
        async with connection.transaction(isolation="repeatable_read"):
            await connection.execute("SELECT pg_current_xact_id(), count(*) FROM outbox")
            _write(count_file, 1)
            await asyncio.Event().wait()

    asyncio.run(hold())


def slow_clients(count_file: Path, *ports: str) -> None:
    """Keep connections open that send half a request, until SIGTERM. Counts those that the services ended."""
    from shop_lab.experiments.foreign_inputs.input import Tally
    from shop_lab.experiments.foreign_inputs.silence import SilentCrowd

    async def hold() -> None:
        crowd, tally = SilentCrowd(), Tally()
        while True:
            for port in ports:
                await crowd.fill(int(port), tally)
            _write(count_file, 1 + Counter(tally.answers).total())
            await asyncio.sleep(1.0)

    asyncio.run(hold())


def edge(count_file: Path, port: str, to_port: str, seconds: str, client: str = "") -> None:
    """Be the proxy in front of a part, until SIGTERM. `client` is a pid file; without one every client is meant."""
    from shop_chaos.edge import Edge, How

    def tell(seen: Counter[How]) -> None:
        _write(count_file, {"": 1, **{str(how): count for how, count in seen.items()}})

    asyncio.run(Edge(int(to_port), Path(client) if client else None).serve(int(port), float(seconds), tell))


HELD: Mapping[str, Callable[..., None]] = {
    "edge": edge,
    "slow": slow,
    "slow-clients": slow_clients,
    "transaction": transaction,
}


def main() -> None:
    def stop(*_: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    count_file, what, *arguments = sys.argv[1:]
    try:
        HELD[what](Path(count_file), *arguments)
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
