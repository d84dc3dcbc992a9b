"""A whole shop for tests: every service a process, real PostgreSQL, real Kafka."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shop_stack import embedded
from shop_stack.loops import in_own_loop
from shop_stack.ports import SERVICES, free_base
from shop_stack.shapes import Shape
from shop_stack.stack import Stack
from shop_stack.target import Target


@contextmanager
def running_shop(
    name: str, services: tuple[str, ...] = SERVICES, brokers: int = 1, shape: Shape | None = None
) -> Iterator[tuple[Stack, Target]]:
    """A shop in a folder and on ports of its own while the block runs. Its data is deleted at the end.

    `name` is in the name of the folder. `services` are those that the shop has, and `brokers` is the number of its
    brokers of Kafka. `shape` says which services share a process. Raises UserError if it does not start.
    """
    with tempfile.TemporaryDirectory(prefix=f"shop-{name}-") as folder:
        stack = embedded.stack(Path(folder) / "state", free_base(), services, brokers=brokers, shape=shape)
        try:
            yield stack, in_own_loop(embedded.up(stack))
        finally:
            in_own_loop(embedded.down(stack, wipe=True))
