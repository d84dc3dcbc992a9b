"""Runs mutants: one start of PostgreSQL and Kafka for all of them, and a copy of the tree for each worker."""

from __future__ import annotations

import asyncio
import queue
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from shop_mutants import testing, tree
from shop_mutants.catalogue import Mutant
from shop_mutants.testing import Results
from shop_mutants.tree import PatchRefused, Tree
from shop_mutants.verdicts import Judgement, Verdict, fault_without_patch, judged
from shop_stack.servers import provision_kafka, read_state, start_both

SECONDS = 120.0
"""The longest time of one mutant's tests."""
SECONDS_FOR_ALL = 1_200.0
"""The longest time of all tests without a patch."""
STATE_FILE = "stack.json"

Tell = Callable[[str, int], None]
"""It is called with the step that has just begun or ended, and the number of mutants that are judged."""


@dataclass(frozen=True)
class Workplace:
    """The copies of the tree, one for each worker, and the servers that the tests use."""

    trees: queue.Queue[Tree]
    stack: Path
    workers: int

    @contextmanager
    def a_tree(self) -> Iterator[Tree]:
        """A copy that no other worker uses."""
        taken = self.trees.get()
        try:
            yield taken
        finally:
            self.trees.put(taken)


@contextmanager
def workplace(repository: Path, workers: int) -> Iterator[Workplace]:
    """Copy the tree for each worker, and start the servers. Both are removed at the end."""
    with tempfile.TemporaryDirectory(prefix="shop-mutants-") as folder:
        trees: queue.Queue[Tree] = queue.Queue()
        for number in range(workers):
            trees.put(tree.copy(repository, Path(folder) / f"tree-{number}"))
        with servers(Path(folder)) as stack:
            yield Workplace(trees, stack, workers)


@contextmanager
def servers(folder: Path) -> Iterator[Path]:
    """Start PostgreSQL and Kafka for tests, and stop them at the end. Yields the state file, which is in `folder`."""
    stack = folder / STATE_FILE
    logins = asyncio.run(start_both(stack))
    try:
        asyncio.run(provision_kafka(logins))
        yield stack
    finally:
        started, _, _ = read_state(stack)
        asyncio.run(started.stop())


def run(place: Workplace, mutants: Sequence[Mutant], tell: Tell) -> list[Judgement]:
    """Judge mutants: first the tests of all of them without a patch, then those of each mutant with its patch."""
    with ThreadPoolExecutor(place.workers) as pool:
        tell("The tests without a patch", 0)
        unpatched = _joined(list(pool.map(partial(_run_tests, place), _parts(mutants, place.workers))))
        judging = [pool.submit(_judge, place, mutant, unpatched) for mutant in mutants]
        for number, ended in enumerate(as_completed(judging), start=1):
            judgement = ended.result()
            tell(f"{judgement.mutant.name}: {judgement.verdict}", number)
    return [one.result() for one in judging]


def _joined(results: Sequence[Results]) -> Results:
    """The results of several runs as one."""
    outcomes = {id: outcome for result in results for id, outcome in result.outcomes.items()}
    return Results(outcomes, next((result.problem for result in results if result.problem), None))


def _parts(mutants: Sequence[Mutant], number: int) -> list[list[str]]:
    """The tests of all mutants, divided so that the tests of a file stay together."""
    nodes = sorted({node for mutant in mutants for node in mutant.caught_by})
    files = sorted({node.split("::")[0] for node in nodes})
    parts = [
        [node for node in nodes if files.index(node.split("::")[0]) % number == part]
        for part in range(number)
    ]
    return [part for part in parts if part]


def _run_tests(place: Workplace, nodes: Sequence[str]) -> Results:
    with place.a_tree() as copy:
        return testing.run(copy, nodes, place.stack, SECONDS_FOR_ALL)


def _judge(place: Workplace, mutant: Mutant, unpatched: Results) -> Judgement:
    began = time.monotonic()
    verdict, why = _verdict(place, mutant, unpatched)
    return Judgement(mutant, verdict, why, time.monotonic() - began)


def _verdict(place: Workplace, mutant: Mutant, unpatched: Results) -> tuple[Verdict, str]:
    if fault := fault_without_patch(mutant, unpatched):
        return Verdict.VACUOUS, fault
    with place.a_tree() as copy:
        try:
            copy.apply(mutant)
        except PatchRefused as error:
            return Verdict.VACUOUS, f"the patch does not apply: {error}"
        try:
            return judged(mutant, testing.run(copy, mutant.caught_by, place.stack, SECONDS))
        finally:
            copy.restore(mutant)
