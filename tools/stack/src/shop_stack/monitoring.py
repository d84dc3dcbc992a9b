"""Prometheus beside a stack: it reads the metrics of all services, and evaluates the rules of deploy/observability.

It is no part of the shop: the shop runs without it, and `shop status` does not show it. Grafana is left out, because no
package index has it. Compose has it (docker-compose.yml).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shop_stack import paths
from shop_stack.errors import UserError
from shop_stack.parts import READY_PATIENCE, child_environment
from shop_stack.ports import HOST, http_status, require_free
from shop_stack.process import Daemon
from shop_stack.stack import Stack

PROMETHEUS = "prometheus"
DATA = "prometheus-data"
"""The folder of its data in the stack's folder."""
CONFIGURATION = "prometheus.yml"
TARGETS = "prometheus-targets"
"""The folder of files with further programs to read, in the stack's folder. Prometheus sees a change at once."""
ORACLE = "oracle"
SCRAPE_SECONDS = 5
KEPT = "2d"
"""How long it keeps its data."""


def program() -> Path:
    """Prometheus' program: the one that `make prometheus` has built, or that of the system. Raises UserError."""
    built = paths.shop_folder() / PROMETHEUS / PROMETHEUS
    found = built if built.is_file() else shutil.which(PROMETHEUS)
    if found is None:
        raise UserError(
            "Prometheus is missing: run `make prometheus`, which builds it with Go, or install the package prometheus."
        )
    return Path(found)


def rules() -> Path:
    """The rules at the scale for practice: alerts fire within a minute or two."""
    return paths.repository() / "deploy" / "observability" / "rules" / "minutes.yaml"


def configuration(stack: Stack, rule_file: Path) -> str:
    """The text of Prometheus' configuration file. `shop_service` is the label by which all rules name a service."""
    targets = "".join(
        f"      - targets: ['{HOST}:{stack.ports.management(name)}']\n        labels: {{shop_service: {name}}}\n"
        for name in stack.services
    )
    return (
        f"global: {{scrape_interval: {SCRAPE_SECONDS}s, evaluation_interval: {SCRAPE_SECONDS}s}}\n"
        f"rule_files: ['{rule_file}']\n"
        f"scrape_configs:\n  - job_name: shopfloor\n    static_configs:\n{targets}"
        f"  - job_name: shopfloor-tools\n    file_sd_configs: [{{files: ['{stack.state / TARGETS}/*.json']}}]\n"
    )


@contextmanager
def read_too(stack: Stack, name: str, port: int) -> Iterator[None]:
    """Let Prometheus read one more program while the context lasts. `name` becomes its label `shop_service`.

    A program that is killed stays in the list, so Prometheus sees that it does not answer.
    """
    file = stack.state / TARGETS / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".new")
    unfinished.write_text(json.dumps([{"targets": [f"{HOST}:{port}"], "labels": {"shop_service": name}}]))
    unfinished.replace(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


async def start(stack: Stack) -> str:
    """Start Prometheus if it does not run, and return its address when it is ready. Raises UserError."""
    port = stack.ports.prometheus
    daemon = daemon_of(stack)
    if daemon.process() is None:
        binary = program()
        require_free("Prometheus", port)
        (stack.state / TARGETS).mkdir(exist_ok=True)
        file = stack.state / CONFIGURATION
        file.write_text(configuration(stack, rules()))
        argv = [
            str(binary),
            f"--config.file={file}",
            f"--storage.tsdb.path={stack.state / DATA}",
            f"--storage.tsdb.retention.time={KEPT}",
            f"--web.listen-address={HOST}:{port}",
            "--enable-feature=exemplar-storage",
            "--log.level=warn",
        ]
        daemon.start(argv, env=child_environment(), cwd=stack.state)

    async def is_ready() -> bool:
        return await http_status(port, "/-/ready") == 200

    await daemon.until_ready(
        is_ready,
        READY_PATIENCE,
        ended=lambda: f"Prometheus ended right after its start: see {daemon.log}.",
        late=f"Prometheus was not ready after {READY_PATIENCE:.0f} s: see {daemon.log}.",
    )
    return f"http://{HOST}:{port}"


async def stop(stack: Stack) -> None:
    """Stop Prometheus, if it runs. Its data stays."""
    await daemon_of(stack).stop()


def daemon_of(stack: Stack) -> Daemon:
    """The process of Prometheus."""
    return stack.daemon(PROMETHEUS)
