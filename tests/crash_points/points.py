"""The crash points of the chassis: each `await`, `async with` and `async for` of its messaging and database code.

A point's name is `module:function:number`, and does not change when lines move. The code imports only the standard
library, because a process under test imports it too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REACH = "__reach__"
"""The name of the function that the changed code calls at each point."""
PACKAGE = "chassis"
ROOMS = {"inbox", "jobs", "kafka", "outbox", "postgres"}
"""The packages of the chassis whose modules all have points."""
CLIENTS = {"aiokafka", "asyncpg", *(f"{PACKAGE}.{room}" for room in ROOMS)}
"""Any other module of the chassis that imports one of these has points as well."""
SHOWN = 70
"""How many characters of its code are shown with a point."""


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """One place where a coroutine may wait."""

    name: str
    line: int
    code: str

    @property
    def function(self) -> str:
        """`module:function`."""
        return self.name.rpartition(":")[0]


def is_covered(module: str, tree: ast.AST) -> bool:
    """Whether the module is messaging or database code of the chassis."""
    package, *below = module.split(".")
    return package == PACKAGE and (bool(ROOMS & set(below[:1])) or _imports_a_client(tree))


def _imports_a_client(tree: ast.AST) -> bool:
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        for name in names:
            if any(name == client or name.startswith(f"{client}.") for client in CLIENTS):
                return True
    return False


class Marker(ast.NodeTransformer):
    """Puts a call of REACH before each point of a module, and collects the points.

    `await x` becomes `await __reach__(name, x)`: the call is made when `x` exists and has not started.
    """

    def __init__(self, module: str) -> None:
        self.points: list[Point] = []
        self._module = module
        self._scope: list[str] = []
        self._numbers: dict[str, int] = {}

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._visit_scope(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._visit_scope(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._visit_scope(node)

    def visit_Await(self, node: ast.Await) -> ast.AST:
        name = self._add(node, ast.unparse(node))
        self.generic_visit(node)
        node.value = _call(name, node, node.value)
        return node

    def visit_AsyncWith(self, node: ast.AsyncWith) -> list[ast.stmt]:
        opened = ", ".join(ast.unparse(item) for item in node.items)
        return self._visit_statement(node, f"async with {opened}")

    def visit_AsyncFor(self, node: ast.AsyncFor) -> list[ast.stmt]:
        return self._visit_statement(node, f"async for … in {ast.unparse(node.iter)}")

    def _visit_scope(self, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        self._scope.append(node.name)
        self.generic_visit(node)
        self._scope.pop()
        return node

    def _visit_statement(self, node: ast.AsyncWith | ast.AsyncFor, code: str) -> list[ast.stmt]:
        name = self._add(node, code)
        self.generic_visit(node)
        return [ast.copy_location(ast.Expr(_call(name, node)), node), node]

    def _add(self, node: ast.expr | ast.stmt, code: str) -> str:
        function = f"{self._module}:{'.'.join(self._scope)}"
        number = self._numbers[function] = self._numbers.get(function, 0) + 1
        point = Point(f"{function}:{number}", node.lineno, " ".join(code.split())[:SHOWN])
        self.points.append(point)
        return point.name


def _call(name: str, at: ast.AST, *values: ast.expr) -> ast.Call:
    call = ast.Call(ast.Name(REACH, ast.Load()), [ast.Constant(name), *values], [])
    return ast.fix_missing_locations(ast.copy_location(call, at))


def marked(module: str, source: str | bytes) -> tuple[ast.Module, list[Point]]:
    """The module's code with its points, and the points. A module that is not covered has none and stays as it is."""
    tree = ast.parse(source)
    if not is_covered(module, tree):
        return tree, []
    marker = Marker(module)
    changed = marker.visit(tree)
    return ast.fix_missing_locations(changed), marker.points


def points_of(source_folder: Path) -> dict[str, Point]:
    """Name → point, of all modules of the chassis. `source_folder` has the folder of the package."""
    return {point.name: point for point in _points(source_folder)}


def _points(source_folder: Path) -> Iterator[Point]:
    for file in sorted((source_folder / PACKAGE).rglob("*.py")):
        parts = file.relative_to(source_folder).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield from marked(module, file.read_bytes())[1]
