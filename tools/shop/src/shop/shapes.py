"""Commands that need a shop of five services, and what they say of another shape."""

from __future__ import annotations

from shop_stack import shapes
from shop_stack.connect import TargetKind, chosen_kind
from shop_stack.errors import UserError
from shop_stack.paths import state_folder
from shop_stack.shapes import Shape

NEED_FIVE_SERVICES = frozenset(
    {
        "backup",
        "bench",
        "can-i-deploy",
        "canary",
        "chaos",
        "deploy",
        "drill",
        "erase",
        "floor",
        "fuzz",
        "republish",
        "restore",
        "rights",
        "rollback",
        "rotate",
        "send",
        "skew",
        "who-reads",
        "why",
    }
)
"""Each of these changes, breaks or examines one service with its database, or reads the topics of Kafka."""


def require_five_services(command: str | None) -> None:
    """Raise UserError if a command needs a shop of five services, and the embedded shop has another shape."""
    if command not in NEED_FIVE_SERVICES or chosen_kind() is not TargetKind.EMBEDDED:
        return
    require_shape(f"`shop {command}`", Shape())


def require_shape(what: str, wanted: Shape) -> None:
    """Raise UserError if the data of the embedded shop is that of another shape. `what` begins the sentence."""
    kept = shapes.stored(state_folder())
    if kept is None or kept == wanted:
        return
    needed, start = (
        ("a shop of five services", "`shop up` starts five services")
        if wanted.is_five_services
        else (str(wanted), f'`shop up --as "{wanted.text}"` starts it')
    )
    raise UserError(
        f"{what} needs {needed}, and the data in {state_folder()} is that of {kept}: "
        f"`shop down --wipe` deletes it, then {start}."
    )
