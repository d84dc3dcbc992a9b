"""Every service has the same modules."""

import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))
MODULES = {"main", "settings", "api", "subscriptions", "jobs", "handlers", "db", "events", "domain"}
# What a service measures of its business: docs/decisions/0053.
OPTIONAL = {"metrics"}
# A client of an outside system: docs/decisions/0002. The orchestrated saga: docs/decisions/0060.
TENTH = {
    "orders": {"orchestrator"},
    "inventory": {"commands"},
    "payments": {"processor", "commands"},
    "notifications": {"channels", "directory", "commands"},
}
FILES = (
    "pyproject.toml",
    "requirements.txt",
    "README.md",
    "CHANGELOG.md",
    "alembic.ini",
    "migrations/env.py",
)
MAIN_LINES = 60
CHASSIS = ROOT / "libs/chassis/src/chassis"
SAGA_FILES = 10


def module_faults(service: Path) -> list[str]:
    """Which of the nine modules are missing, and which are one too many."""
    package = service / "src" / service.name
    found = {path.stem for path in package.glob("*.py")} - {"__init__"}
    found |= {path.name for path in package.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    allowed = MODULES | TENTH.get(service.name, set())
    faults = [f"services/{service.name} lacks the module {name}.py" for name in sorted(allowed - found)]
    faults += [
        f"services/{service.name} has a module {name}: a tenth needs an ADR and a line in TENTH"
        for name in sorted(found - allowed - OPTIONAL)
    ]
    return faults


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def saga_files() -> set[str]:
    """The files that docs/sagas/place-order.md sends its reader to."""
    text = (ROOT / "docs" / "sagas" / "place-order.md").read_text()
    return {word.partition("::")[0] for word in text.split("`") if "::" in word}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_nine_modules(service: str) -> None:
    assert module_faults(ROOT / "services" / service) == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_all_that_it_needs_to_be_built_and_run_alone(service: str) -> None:
    missing = [name for name in FILES if not (ROOT / "services" / service / name).is_file()]
    missing += [name for name in ("unit", "component", "contract") if not files_of(service, name)]
    assert missing == [], f"services/{service} lacks {missing}"


def files_of(service: str, kind: str) -> list[Path]:
    return list((ROOT / "services" / service / "tests" / kind).glob("test_*.py"))


@pytest.mark.parametrize("service", SERVICES)
def test_main_is_wiring_only(service: str) -> None:
    main = ROOT / "services" / service / "src" / service / "main.py"
    assert lines(main) <= MAIN_LINES, (
        f"{main.relative_to(ROOT)} has {lines(main)} lines, {MAIN_LINES} are allowed"
    )


def test_the_chassis_names_no_service_event_or_topic() -> None:
    named = [
        f"{path.name} says {service!r}"
        for path in CHASSIS.rglob("*.py")
        for service in SERVICES
        if re.search(rf"\b{service}\.[a-z]", without_example(path.read_text()))
    ]
    assert named == [], "the chassis is mechanism only"


def without_example(text: str) -> str:
    """A sample declaration in a docstring names an event, so that it can be understood."""
    return "\n".join(line for line in text.splitlines() if "class OrderPlaced(" not in line)


def test_the_saga_reads_in_ten_files() -> None:
    files = saga_files()
    assert 0 < len(files) <= SAGA_FILES, (
        f"docs/sagas/place-order.md names {len(files)} files: {sorted(files)}"
    )


def test_a_missing_and_a_tenth_module_are_seen(tmp_path: Path) -> None:
    service = tmp_path / "orders"
    shutil.copytree(ROOT / "services/orders/src", service / "src")
    assert module_faults(service) == []
    (service / "src/orders/domain.py").rename(service / "src/orders/managers.py")
    assert module_faults(service) == [
        "services/orders lacks the module domain.py",
        "services/orders has a module managers: a tenth needs an ADR and a line in TENTH",
    ]
