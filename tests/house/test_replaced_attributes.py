"""Attributes of libraries are replaced in `chassis.tuning` alone, also where their names are public.

An assignment counts as one if the owner of the attribute comes from a library: its name is imported from one, is
annotated with one of its types, or was assigned from such a name. Python's own library does not count.
"""

import ast
import sys
from collections.abc import Collection, Iterator

import pytest

from tests.house.test_private_attributes import ROOT, TUNING, modules

OWN = {"chassis", "orders", "inventory", "payments", "notifications", "analytics"}
REASONS = {
    "libs/chassis/src/chassis/server.py: server.lifespan": "uvicorn's `startup` expects its caller to set it",
    "libs/chassis/src/chassis/server.py: server.should_exit": "uvicorn documents it as the way to end a server",
    "libs/chassis/src/chassis/web/context.py: app.state.context": "Starlette keeps `state` for what its users set",
    "libs/chassis/src/chassis/web/guarded_route.py: request.state.caller": "as above",
    "libs/chassis/src/chassis/web/security_scheme.py: app.openapi": "FastAPI documents it as the way to extend it",
}
"""What may be assigned outside of tuning, and why."""


def replaced_attributes(source: str) -> list[tuple[int, str]]:
    """Where a module assigns to an attribute of a library's module, class or object: the line, and the attribute."""
    tree = ast.parse(source)
    imported = set(imported_from_libraries(tree))
    found = set(replaced_in(tree, imported))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found |= set(replaced_in(node, imported))
    return sorted(found)


def imported_from_libraries(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [(alias.name, alias.asname or alias.name.partition(".")[0]) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [(node.module or "", alias.asname or alias.name) for alias in node.names]
        else:
            continue
        for module, name in modules:
            if module.partition(".")[0] not in OWN | sys.stdlib_module_names:
                yield name


def replaced_in(scope: ast.AST, imported: Collection[str]) -> Iterator[tuple[int, str]]:
    """Assignments in one function, class or module, by what the names in it come from."""
    foreign = names_of_libraries(scope, imported)
    for node in ast.walk(scope):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            if is_foreign(node.value, foreign):
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"setattr", "delattr"}:
            owner, name = node.args[:2]
            if is_foreign(owner, foreign):
                yield node.lineno, f"{ast.unparse(owner)}.{ast.unparse(name)}"


def names_of_libraries(scope: ast.AST, imported: Collection[str]) -> set[str]:
    """Names, and attributes of `self`, that hold something of a library."""
    foreign = set(imported)
    for node in ast.walk(scope):
        if isinstance(node, ast.arg) and node.annotation and is_library_type(node.annotation, imported):
            foreign.add(node.arg)
        elif isinstance(node, ast.AnnAssign) and is_library_type(node.annotation, imported):
            foreign.add(ast.unparse(node.target))
    before = -1
    while len(foreign) > before:  # a name may be assigned from one that is found later
        before = len(foreign)
        for node in ast.walk(scope):
            if (
                isinstance(node, ast.Assign | ast.AnnAssign)
                and node.value
                and is_foreign(node.value, foreign)
            ):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                foreign |= {ast.unparse(target) for target in targets}
    return foreign


def is_library_type(annotation: ast.expr, imported: Collection[str]) -> bool:
    """Whether it is a type of a library, or a union with one. A container of such types is Python's own."""
    if isinstance(annotation, ast.BinOp):
        return is_library_type(annotation.left, imported) or is_library_type(annotation.right, imported)
    return is_foreign(annotation, imported)


def is_foreign(value: ast.expr, foreign: Collection[str]) -> bool:
    """Whether a value is one of these names, or an attribute or the result of a call of one."""
    if ast.unparse(value) in foreign:
        return True
    if isinstance(value, ast.Attribute | ast.Await | ast.Subscript):
        return is_foreign(value.value, foreign)
    return isinstance(value, ast.Call) and is_foreign(value.func, foreign)


def test_attributes_of_libraries_are_replaced_in_tuning_alone() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {attribute}"
        for path in modules()
        if not path.is_relative_to(TUNING)
        for _, attribute in replaced_attributes(path.read_text())
    }
    assert found == REASONS.keys()


def test_the_modules_of_tuning_are_seen_to_replace_attributes() -> None:
    users = {
        path.stem
        for path in modules()
        if path.is_relative_to(TUNING) and replaced_attributes(path.read_text())
    }
    assert {"fence_requests", "fetch_together", "span_encoding", "tolerant_records"} <= users


@pytest.mark.parametrize(
    "line",
    [
        "aiokafka.AIOKafkaProducer = None",
        "Producer.send = None",
        "producer.client.send = None",
        "producer.client = None",
        "self.producer.send = None",
        "client = self.producer.client; client.send = None",
        "made = await Producer().start(); made.send = None",
        "del producer.send",
        "setattr(producer, 'send', None)",
        "producer.sent += 1",
        "other: Producer | None = None; other.send = None",
    ],
)
def test_a_planted_replacement_is_seen(line: str) -> None:
    assert [at for at, _ in replaced_attributes(planted(line))] == [7]


@pytest.mark.parametrize(
    "line",
    [
        "self.producer = producer",
        "self.count = 1",
        "own.count = 1",
        "own = Own(producer); own.count = 1",
        "own: dict[Producer, Own] = {}; own[producer].count = 1",
        "logging.Logger.info = None",
        "producer = None",
    ],
)
def test_own_attributes_and_those_of_the_standard_library_may_be_assigned(line: str) -> None:
    assert replaced_attributes(planted(line)) == []


def planted(line: str) -> str:
    """A module whose seventh line, in a method, is `line`."""
    return f"""import logging
import aiokafka
from aiokafka import AIOKafkaProducer as Producer
from chassis import Own
class Sender:
    async def run(self, producer: Producer, own: Own):
        {line}
    def __init__(self, producer: Producer):
        self.producer: Producer = producer
"""
