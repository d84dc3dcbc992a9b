"""The running shop that a command is about: `shop --target`, or SHOP_TARGET."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from shop_stack import compose, kubernetes
from shop_stack.places import contracts, state_folder
from shop_stack.target import Target, embedded

VARIABLE = "SHOP_TARGET"


class Where(StrEnum):
    """How a shop is run."""

    EMBEDDED = "embedded"
    COMPOSE = "compose"
    K8S = "k8s"


def chosen() -> Where:
    """What SHOP_TARGET says, or the embedded stack."""
    return Where(os.environ.get(VARIABLE, Where.EMBEDDED))


@contextmanager
def reached() -> Iterator[Target]:
    """The shop that was chosen, for as long as the context lasts. Raises TargetMissing if it does not run."""
    match chosen():
        case Where.EMBEDDED:
            yield embedded(state_folder())
        case Where.COMPOSE:
            with compose.reached(state_folder() / "compose", contracts()) as target:
                yield target
        case Where.K8S:
            with kubernetes.reached(state_folder() / "k8s", contracts()) as target:
                yield target


@contextmanager
def reached_spans() -> Iterator[Path]:
    """The folder with the spans of the shop that was chosen. The embedded stack keeps its own when it is stopped."""
    if chosen() is Where.EMBEDDED:
        yield state_folder() / "spans"
        return
    with reached() as target:
        yield target.spans
