"""Imports go one way, and no service knows another: import-linter holds it, and here it is seen to bite."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for place in ("libs", "services", "tools") for path in (ROOT / place).glob("*/src"))
PLANTED = [
    ("orders/domain.py", "import orders.db", "Imports in a service go one way"),
    ("orders/db.py", "import orders.handlers", "Imports in a service go one way"),
    ("payments/api.py", "import payments.jobs", "Imports in a service go one way"),
    ("payments/handlers.py", "import payments.processor", "Imports in a service go one way"),
    ("inventory/helpers.py", "", "Imports in a service go one way"),
    ("notifications/handlers.py", "import orders.events", "No service imports another"),
    ("chassis/outbox/rows.py", "import orders.events", "The chassis imports no service"),
    ("chassis/outbox/rows.py", "import chassis.inbox.inbox", "The chassis' packages import one way"),
    ("chassis/web/probes.py", "import chassis.kafka", "The chassis' packages import one way"),
    ("chassis/kafka/consumer.py", "import chassis.tuning", "The chassis' packages import one way"),
    ("analytics/domain.py", "import pydantic", "A domain imports no framework"),
    ("inventory/handlers.py", "import fastapi", "Use cases and events know no transport"),
    ("orders/events.py", "import chassis.local", "Use cases and events know no transport"),
    ("payments/db.py", "import chassis.kafka", "Use cases and events know no transport"),
    ("payments/handlers.py", "import chassis.single", "Use cases and events know no transport"),
    ("chassis/local/reader.py", "import chassis.kafka", "The chassis' packages import one way"),
    ("shop_oracle/__init__.py", "import orders.db", "The tools look at services from outside"),
    ("shop_observe/traces.py", "import shop_oracle.evidence", "The tools import one way"),
    ("shop_oracle/gather.py", "import shop_load.open_loop", "The tools import one way"),
    (
        "shop_lab/experiments/overload.py",
        "import shop_lab.benchmarks.plan",
        "Benchmarks and experiments stand beside each other on the lab",
    ),
    (
        "shop_lab/skew/cells.py",
        "import shop_lab.canary.keys",
        "Benchmarks and experiments stand beside each other on the lab",
    ),
    ("testkit/events.py", "import shop_observe.kafka_log", "The tools import one way"),
    ("orders/handlers.py", "import testkit.waiting", "Only tests import the test kit"),
    ("shop_lab/cpu.py", "import chassis.relay", "Of the tools, only probes import the chassis"),
]


def lint_imports(sources: list[Path]) -> subprocess.CompletedProcess[str]:
    """import-linter with the house's rules on packages that are found in `sources` first."""
    path = os.pathsep.join(str(source) for source in sources)
    command = [
        sys.executable,
        "-c",
        "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())",
        "--no-cache",
        "--config",
        str(ROOT / ".importlinter"),
    ]
    environment = os.environ | {"PYTHONPATH": path, "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_the_rules_hold() -> None:
    result = lint_imports(SOURCES)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(("module", "line", "rule"), PLANTED, ids=lambda value: str(value).replace("/", "."))
def test_a_forbidden_import_is_seen(tmp_path: Path, module: str, line: str, rule: str) -> None:
    package = module.partition("/")[0]
    sources = []
    for source in SOURCES:
        if (source / package).is_dir():
            source = shutil.copytree(source, tmp_path / "src")
        sources.append(source)
    with (tmp_path / "src" / module).open("a") as file:
        file.write(f"\n{line}\n")
    result = lint_imports(sources)
    assert result.returncode != 0, f"`{line}` in {module} was not seen:\n{result.stdout}"
    assert f"{rule} BROKEN" in result.stdout or "exhaustive" in result.stdout, result.stdout + result.stderr
