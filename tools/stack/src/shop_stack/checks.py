"""Checks before a stack starts. Each fault is a UserError: one sentence that says what to do."""

from __future__ import annotations

import shutil
from pathlib import Path

from shop_stack import kafka, paths, postgres_programs, shapes, stack_files, venvs
from shop_stack.errors import UserError
from shop_stack.ports import require_free
from shop_stack.stack import POSTGRES, Stack

LEAST_FREE = 1024**3
"""Bytes. The services' environments, Kafka's segments and PostgreSQL's WAL need less than this."""


def before_start(stack: Stack) -> None:
    """Raise UserError if the stack cannot start here."""
    paths.make_private(paths.shop_folder())
    disk(stack.state)
    venvs.uv()
    postgres_programs.binaries()
    shapes.require(stack.state, stack.shape)
    if stack.shape.has_kafka:
        kafka.java()
        brokers(stack)
    ports(stack)
    databases(stack)


def brokers(stack: Stack) -> None:
    """Raise UserError if the data is that of another number of brokers: its topics have other replicas."""
    kept = stack_files.stored_brokers(stack.state)
    if kept is not None and kept != stack.brokers:
        raise UserError(
            f"The data in {stack.state} is that of {count(kept)}, and {count(stack.brokers)} cannot use it: "
            f"start them with `shop up --brokers {kept}`, or delete the data with `shop down --wipe`."
        )


def count(brokers: int) -> str:
    """A number of brokers in words."""
    return "one broker" if brokers == 1 else f"{brokers} brokers"


def databases(stack: Stack) -> None:
    """Raise UserError if the databases were deleted while the rest of the shop's data was kept."""
    data = stack.state / "postgres"
    migrated = list((stack.state / "run").glob("*.migrated"))
    if migrated and not (data / "PG_VERSION").exists():
        raise UserError(
            f"The databases are gone: {data} was deleted, but Kafka's topics and the card ledger are kept, and they do "
            f"not fit new databases. Put {data} back; or, if it is lost, `shop down --wipe` deletes the rest as well."
        )


def disk(folder: Path) -> None:
    """Raise UserError if the disk under `folder` is nearly full."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < LEAST_FREE:
        raise UserError(
            f"The disk of {folder} is full: {free / 1024**2:.0f} MiB are free and 1 GiB is needed. "
            "Delete files, or keep the stack elsewhere with SHOP_STATE=/another/folder."
        )


def ports(stack: Stack) -> None:
    """Raise UserError if another process listens on a port of the stack."""
    wanted = stack.ports.all()
    for name in stack.parts:
        if stack.daemon(name).process() is not None:
            continue
        members = stack.members(name)
        if not members:
            require_free(name, wanted[name])
        if name in stack.broker_names:
            require_free(f"the controller of {name}", wanted[f"{name}-controller"])
        for service in members:
            require_free(service, wanted[service])
            require_free(f"the management port of {service}", stack.ports.management(service))


def needed_programs() -> dict[str, Path]:
    """Name → path of each program of the stack. Raises UserError if one is missing."""
    return {"uv": venvs.uv(), POSTGRES: postgres_programs.binaries() / "postgres", "java": kafka.java()}
