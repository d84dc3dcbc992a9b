"""A service is built and tested where nothing of another service exists: not its code, not its packages."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))
LITTER = shutil.ignore_patterns(
    "__pycache__", ".*cache", ".hypothesis", "*.egg-info", "build", "dist", ".venv"
)


def uv() -> str:
    found = (
        os.environ.get("UV")
        or shutil.which("uv")
        or shutil.which("uv", path=str(Path(sys.executable).parent))
    )
    assert found, "no uv: run the tests by `make test`, or put uv on PATH, or name it in the variable UV"
    return found


def copy_alone(service: str, target: Path) -> Path:
    """What the team of `service` needs, and nothing else; returns the service's folder."""
    for part in ("libs/chassis", "contracts", f"services/{service}"):
        shutil.copytree(ROOT / part, target / part, ignore=LITTER)
    return target / "services" / service


def run(command: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}
    }
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def build(folder: Path) -> Path:
    """A virtual environment from the service's lock and its own test tools; returns its Python."""
    python = folder / ".venv" / "bin" / "python"
    for arguments in (
        ["venv", "--quiet", "--python", sys.executable, ".venv"],
        ["pip", "sync", "--quiet", "--python", python, "--require-hashes", "requirements.txt"],
        ["pip", "install", "--quiet", "--python", python, "--no-deps", "../../libs/chassis", "."],
        ["pip", "install", "--quiet", "--python", python, "--group", "test"],
    ):
        result = run([uv(), *arguments], folder)
        assert result.returncode == 0, f"uv {' '.join(map(str, arguments))}:\n{result.stderr}"
    return python


def run_tests(python: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    # Without the stack's plugin: unit and contract tests need no server.
    options = ["-q", "-p", "no:cacheprovider", "-o", "addopts=--import-mode=importlib"]
    return run([python, "-m", "pytest", *options, "tests/unit", "tests/contract"], folder)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_built_and_tested_with_nothing_of_another_present(service: str, tmp_path: Path) -> None:
    folder = copy_alone(service, tmp_path)
    result = run_tests(build(folder), folder)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_service_that_leans_on_another_is_seen(tmp_path: Path) -> None:
    folder = copy_alone("orders", tmp_path)
    with (folder / "src/orders/events.py").open("a") as file:
        file.write("\nimport inventory.events\n")
    result = run_tests(build(folder), folder)
    assert result.returncode != 0
    assert "No module named 'inventory'" in result.stdout
