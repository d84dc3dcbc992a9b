"""A service is built and tested where nothing of another service exists: not its code, not its packages.

Unit and contract tests run so for each service, component tests for one, as they start a PostgreSQL of their own.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))
COMPONENT_TESTS = {
    "orders": (
        "component/test_endings.py",
        "component/test_migrations.py",
        "component/test_orders_clients.py",
        "component/test_prices.py",
    )
}
"""Not its test_api.py, which takes longer than these three together and needs nothing that they do not."""
PARTS = ("libs/chassis", "libs/testkit", "tools/stack", "contracts")
"""What each service and its tests need beside its own folder."""
MORE_PARTS = {"payments": ("tools/processor",), "notifications": ("tools/issuer",)}
"""The card processor and the issuer. The component tests of these services call them."""
LITTER = shutil.ignore_patterns(
    "__pycache__", ".*cache", ".hypothesis", "*.egg-info", "build", "dist", ".venv"
)


def uv() -> str:
    found = (
        os.environ.get("UV")
        or shutil.which("uv")
        or shutil.which("uv", path=str(Path(sys.executable).parent))
    )
    assert found, (
        "no uv: run the tests by `make test-alone`, or put uv on PATH, or name it in the variable UV"
    )
    return found


def copy_alone(service: str, target: Path) -> Path:
    """What the team of `service` needs, and nothing else; returns the service's folder."""
    for part in (*PARTS, *MORE_PARTS.get(service, ()), f"services/{service}"):
        shutil.copytree(ROOT / part, target / part, ignore=LITTER)
    return target / "services" / service


def run(command: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}
    }
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def install(folder: Path, *arguments: str | Path) -> None:
    command = [uv(), "pip", *arguments, "--quiet", "--python", python_of(folder)]
    result = run(command, folder)
    assert result.returncode == 0, f"{' '.join(map(str, command[1:]))}:\n{result.stderr}"


def python_of(folder: Path) -> Path:
    return folder / ".venv" / "bin" / "python"


def build(folder: Path) -> None:
    """A virtual environment in the service's folder: its lock, the chassis, itself as a wheel, its test tools."""
    assert run([uv(), "venv", "--quiet", "--python", sys.executable, ".venv"], folder).returncode == 0
    install(folder, "sync", "--require-hashes", "requirements.txt")
    install(folder, "install", "--no-deps", "../../libs/chassis", ".")
    install(folder, "install", "--group", "test")


def run_tests(folder: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """These files or folders of the service's tests, with its own options."""
    paths = [f"tests/{path}" for path in tests]
    return run([python_of(folder), "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths], folder)


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder far from the repository. PostgreSQL runs as another user when root runs the tests: it may enter."""
    folder = Path(tempfile.mkdtemp(prefix="shop-alone-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_built_and_tested_with_nothing_of_another_present(service: str, elsewhere: Path) -> None:
    folder = copy_alone(service, elsewhere)
    build(folder)
    result = run_tests(folder, "unit", "contract", *COMPONENT_TESTS.get(service, ()))
    assert result.returncode == 0, result.stdout + result.stderr
    if service == "orders":
        assert_that_leaning_on_another_is_seen(folder)


def assert_that_leaning_on_another_is_seen(folder: Path) -> None:
    """The planted violation, here because a second environment for it would cost much and show nothing more."""
    with (folder / "src/orders/events.py").open("a") as file:
        file.write("\nimport inventory.events\n")
    install(folder, "install", "--no-deps", "--reinstall-package", "orders", ".")
    result = run_tests(folder, "unit", "contract")
    assert result.returncode != 0
    assert "No module named 'inventory'" in result.stdout + result.stderr
