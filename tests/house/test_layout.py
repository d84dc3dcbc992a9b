"""The house is small and every service has the same rooms."""

import ast
import io
import shutil
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))
MODULES = {"main", "settings", "api", "consumers", "handlers", "db", "events", "domain"}
# The outside world that is neither HTTP in nor Kafka: docs/decisions/0002.
NINTH = {"notifications": {"channels"}, "payments": {"processor"}}
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
# Lines of code: without blank lines, comments and docstrings, which are to be encouraged, and without SQL files.
CHASSIS_LINES = 1_500
NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
SAGA_FILES = 8


def module_faults(service: Path) -> list[str]:
    """Which of the eight modules lack, and which are one too many."""
    package = service / "src" / service.name
    found = {path.stem for path in package.glob("*.py")} - {"__init__"}
    found |= {path.name for path in package.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    allowed = MODULES | NINTH.get(service.name, set())
    faults = [f"services/{service.name} lacks the module {name}.py" for name in sorted(allowed - found)]
    faults += [
        f"services/{service.name} has a module {name}: a ninth needs an ADR and a line in NINTH"
        for name in sorted(found - allowed)
    ]
    return faults


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def code_lines(source: str) -> int:
    """How many lines hold code: no blank line, comment or docstring counts."""
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            code.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            code.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(code)


def saga_files() -> set[str]:
    """The files that docs/sagas/place-order.md sends its reader to."""
    text = (ROOT / "docs" / "sagas" / "place-order.md").read_text()
    return {word.partition("::")[0] for word in text.split("`") if "::" in word}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_eight_modules(service: str) -> None:
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


def test_the_chassis_can_be_read_in_an_afternoon() -> None:
    sizes = {
        str(path.relative_to(CHASSIS)): code_lines(path.read_text()) for path in sorted(CHASSIS.rglob("*.py"))
    }
    assert sum(sizes.values()) <= CHASSIS_LINES, (
        f"{sum(sizes.values())} lines of code, {CHASSIS_LINES} are allowed: {sizes}"
    )


def test_only_lines_of_code_are_counted() -> None:
    source = '''"""What it is.

Said at length.
"""

# Why.
NAMES = [  # two names
    "a",

    "b",
]
"""What they are for."""


def f() -> str:
    """What it does."""
    return """one
    two"""
'''
    assert code_lines(source) == len(["NAMES", "a", "b", "]", "def", "return", "two"])


def test_the_chassis_names_no_service_event_or_topic() -> None:
    named = [
        f"{path.name} says {service!r}"
        for path in CHASSIS.rglob("*.py")
        for service in SERVICES
        if f"{service}." in without_example(path.read_text())
    ]
    assert named == [], "the chassis is mechanism only"


def without_example(text: str) -> str:
    """A sample declaration in a docstring names an event, so that it can be understood."""
    return "\n".join(line for line in text.splitlines() if "class OrderPlaced(" not in line)


def test_the_saga_reads_in_eight_files() -> None:
    files = saga_files()
    assert 0 < len(files) <= SAGA_FILES, (
        f"docs/sagas/place-order.md names {len(files)} files: {sorted(files)}"
    )


def test_a_missing_and_a_ninth_module_are_seen(tmp_path: Path) -> None:
    service = tmp_path / "orders"
    shutil.copytree(ROOT / "services/orders/src", service / "src")
    assert module_faults(service) == []
    (service / "src/orders/domain.py").rename(service / "src/orders/managers.py")
    assert module_faults(service) == [
        "services/orders lacks the module domain.py",
        "services/orders has a module managers: a ninth needs an ADR and a line in NINTH",
    ]
