"""A file, a function and a package are small enough to be read in one go."""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

import chassis

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("libs", "services", "tools")
SOURCES = sorted(path for place in PLACES for path in (ROOT / place).glob("*/src/**/*.py"))
FILE_LINES = 300
FUNCTION_LINES = 40
PARAMETERS = 6
EXPORTS = 22
"""Names in a package's `__all__`. The largest package is `web`: its names are what the APIs of services use."""

REASONS = {
    "libs/chassis/src/chassis/outbox/relay.py::__init__": "its keywords are all that a relay can be told",
    "libs/chassis/src/chassis/tuning/request_deadlines.py::guarded": "one class that closes over uvicorn's protocol",
    "libs/testkit/src/testkit/hostile.py::hostile_requests": "strategies that close over one document",
    "services/analytics/src/analytics/db/reports.py::time_to_confirm": "one statement that walks a tree of counts",
    "services/inventory/src/inventory/api.py": "models and routes of one API",
    "services/inventory/src/inventory/db.py": "tables and queries of one database",
    "services/orders/src/orders/api.py": "models and routes of one API",
    "services/orders/src/orders/api.py::list_orders": "its parameters are those of the request",
    "services/orders/src/orders/db.py": "tables and queries of one database",
    "services/payments/src/payments/db.py": "tables and queries of one database",
    "libs/chassis/src/chassis/service.py::build_service": "its keywords are all that a service can have",
    "tools/shop/src/shop/commands/check.py::check": "most of it is its options and the examples of its help",
    "tools/shop/src/shop/commands/compare.py::compare": "most of it is its options and the examples of its help",
    "tools/shop/src/shop/commands/order.py::order": "most of it is its options and the examples of its help",
    "tools/shop/src/shop/commands/send.py::send": "most of it is its options and the examples of its help",
    "tools/shop/src/shop/commands/up.py::up": "most of it is its options and the examples of its help",
    "tools/lab/src/shop_lab/probes/steady_relay.py::work": "its parameters are those of the probe",
}
"""What may be larger, and why."""


def too_large(path: Path, source: str, reasons: Collection[str] = tuple(REASONS)) -> list[str]:
    """What in a file is larger than it may be; `reasons` are the places that may be."""
    name = str(path.relative_to(ROOT))
    faults = []
    lines = len(source.splitlines())
    if lines > FILE_LINES:
        faults.append((name, f"has {lines} lines"))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            where = f"{name}::{node.name}"
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                faults.append((where, f"has {length} lines"))
            if len(parameters := list(parameters_of(node))) > PARAMETERS:
                faults.append((where, f"has {len(parameters)} parameters"))
    return [f"{where} {fault}" for where, fault in faults if where not in reasons]


def parameters_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    arguments = function.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        if argument.arg not in ("self", "cls"):
            yield argument.arg


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_and_its_functions_are_small_or_have_a_reason(path: Path) -> None:
    assert too_large(path, path.read_text()) == []


def test_what_is_too_large_is_seen() -> None:
    long_function = "def f(a, b, c, d, e, g, h):\n" + "    a += 1\n" * 40
    faults = too_large(ROOT / "long.py", long_function + "\n" * 300)
    assert faults == [
        "long.py has 341 lines",
        "long.py::f has 41 lines",
        "long.py::f has 7 parameters",
    ]


@pytest.mark.parametrize("where", REASONS)
def test_every_reason_is_still_needed(where: str) -> None:
    path = ROOT / where.partition("::")[0]
    assert any(fault.startswith(where) for fault in too_large(path, path.read_text(), reasons=()))


PACKAGES = sorted(module.name for module in pkgutil.iter_modules(chassis.__path__) if module.ispkg)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_says_what_it_holds_and_exports_few_names(name: str) -> None:
    package = importlib.import_module(f"chassis.{name}")
    assert len((inspect.getdoc(package) or "").split()) >= 12, f"chassis/{name}/__init__.py explains nothing"
    exported = getattr(package, "__all__", [])
    assert len(exported) <= EXPORTS, f"chassis.{name} exports {len(exported)} names"
    assert all(hasattr(package, name) for name in exported)
