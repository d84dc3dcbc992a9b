"""Private attributes of other objects are used in `chassis.tuning` alone, where each file says why it needs them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("libs/chassis/src", "services/*/src")
TUNING = ROOT / "libs/chassis/src/chassis/tuning"
# Public methods of NamedTuple, whose names begin with an underscore so that they are no fields.
OF_NAMED_TUPLES = {"_replace", "_asdict", "_fields"}
OWN = {"self", "cls"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in OF_NAMED_TUPLES


def private_uses(source: str) -> list[tuple[int, str]]:
    """Where a module uses a private name of another object or module: the line, and what is used."""
    tree = ast.parse(source)
    own = OWN | set(classes_of(tree))
    found = [*private_accesses(tree, own), *private_imports(tree), *private_getattrs(tree)]
    return sorted(found)


def classes_of(tree: ast.Module) -> Iterator[str]:
    """The module's own classes: a class attribute may be used by its class's name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield node.name


def private_accesses(tree: ast.Module, own: set[str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            owner = ast.unparse(node.value)
            if owner not in own:
                yield node.lineno, f"{owner}.{node.attr}"


def private_imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                path = [*(node.module or "").split("."), alias.name]
                if any(map(is_private, path)):
                    yield node.lineno, f"from {node.module} import {alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if any(map(is_private, alias.name.split("."))):
                    yield node.lineno, f"import {alias.name}"


def private_getattrs(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The same in disguise: `getattr(x, "_name")` and `setattr(x, "_name", …)`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or ast.unparse(node.func) not in {"getattr", "setattr", "hasattr"}:
            continue
        owner, name = node.args[:2]
        is_literal = isinstance(name, ast.Constant) and isinstance(name.value, str)
        if is_literal and is_private(name.value) and ast.unparse(owner) not in OWN:  # type: ignore[attr-defined]
            yield node.lineno, ast.unparse(node)


def modules() -> list[Path]:
    return sorted(path for place in PLACES for src in ROOT.glob(place) for path in src.rglob("*.py"))


def test_private_attributes_of_other_objects_are_used_in_tuning_alone() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {use}"
        for path in modules()
        if not path.is_relative_to(TUNING)
        for line, use in private_uses(path.read_text())
    ]
    assert found == []


def test_the_modules_of_tuning_are_seen_to_use_private_attributes() -> None:
    users = {
        path.stem for path in modules() if path.is_relative_to(TUNING) and private_uses(path.read_text())
    }
    assert {"fetch_together", "leave_while_joining", "span_encoding"} <= users


@pytest.mark.parametrize(
    "line",
    [
        "client._fetcher.close()",
        "client._fetcher = None",
        "self.client._fetcher",
        "super()._step()",
        "first().second._third",
        "from aiokafka import _private",
        "from aiokafka._private import name",
        "import aiokafka._private",
        "getattr(client, '_fetcher', None)",
        "setattr(client, '_fetcher', None)",
    ],
)
def test_a_planted_use_of_a_private_name_is_seen(line: str) -> None:
    source = f"class Consumer:\n    def run(self, client):\n        {line}\n"
    assert [at for at, _ in private_uses(source)] == [3]


@pytest.mark.parametrize(
    "line",
    [
        "self._fetcher = client",
        "cls._fetcher",
        "Consumer._fetchers",
        "row._replace(name='a')",
        "row._asdict()",
        "type(row)._fields",
        "_private()",
        "client.__class__",
        "from __future__ import annotations",
        "getattr(self, '_fetcher')",
    ],
)
def test_own_private_names_and_those_of_named_tuples_are_allowed(line: str) -> None:
    is_import = line.startswith("from __future__")
    source = line if is_import else f"class Consumer:\n    def run(self, client):\n        {line}\n"
    assert private_uses(source) == []
