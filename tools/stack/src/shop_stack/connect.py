"""The running shop that a command uses: the one of `shop --target`, or of SHOP_TARGET."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from shop_stack import compose, kubernetes
from shop_stack.errors import UserError
from shop_stack.paths import contracts, state_folder
from shop_stack.target import Target, embedded

VARIABLE = "SHOP_TARGET"


class TargetKind(StrEnum):
    """The ways in which a shop can run."""

    EMBEDDED = "embedded"
    COMPOSE = "compose"
    K8S = "k8s"


def chosen_kind() -> TargetKind:
    """What SHOP_TARGET says, or the embedded stack. Raises UserError if there is no such kind."""
    given = os.environ.get(VARIABLE) or TargetKind.EMBEDDED
    try:
        return TargetKind(given)
    except ValueError:
        raise UserError(f"{VARIABLE} is {given!r}: set it to one of {', '.join(TargetKind)}.") from None


@contextmanager
def connect() -> Iterator[Target]:
    """The shop that was chosen, for as long as the context lasts. Raises TargetMissing if it does not run."""
    match chosen_kind():
        case TargetKind.EMBEDDED:
            yield embedded(state_folder())
        case TargetKind.COMPOSE:
            with compose.connect(state_folder() / "compose", contracts()) as target:
                yield target
        case TargetKind.K8S:
            with kubernetes.connect(state_folder() / "k8s", contracts()) as target:
                yield target


@contextmanager
def connect_spans() -> Iterator[Path]:
    """The folder with the spans of the chosen shop. The embedded stack keeps its spans when it is stopped."""
    if chosen_kind() is TargetKind.EMBEDDED:
        yield state_folder() / "spans"
        return
    with connect() as target:
        yield target.spans
