"""The embedded stack: a whole shop on this machine, without containers.

    stack = embedded.stack(state=tmp_path, base=28000)
    target = await embedded.up(stack)
    await embedded.kill(stack, "payments")
    await embedded.start(stack, "payments")
    await embedded.down(stack, wipe=True)

`up` starts the parts that do not run, and does not touch those that run. Every function may be called again at any
time.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from shop_stack import (
    checks,
    groups,
    handover,
    hands,
    kafka,
    migrations,
    parts,
    paths,
    postgres,
    shapes,
    stack_files,
    venvs,
)
from shop_stack.emancipation import journal
from shop_stack.errors import UserError, first_of
from shop_stack.ports import BROKERS, SERVICES, Ports, base_from_environment
from shop_stack.process import Daemon
from shop_stack.shapes import Shape
from shop_stack.stack import EVERYTHING, ISSUER, KAFKA, POSTGRES, PROCESSOR, SPANS, Stack
from shop_stack.statuses import Status as Status
from shop_stack.statuses import status as status
from shop_stack.target import Target
from shop_stack.target import embedded as target_of

Report = Callable[[str, str], None]
"""Called with (part, what happens to it) while a stack starts or stops."""


def silent(part: str, happening: str) -> None:
    """A Report that does nothing."""


def stack(
    state: Path | None = None,
    base: int | None = None,
    services: tuple[str, ...] = SERVICES,
    environment: Mapping[str, str] | None = None,
    brokers: int | None = None,
    shape: Shape | None = None,
) -> Stack:
    """The stack whose files are in `state`, with ports counted from `base`.

    If they are not given: SHOP_STATE or .shop, and SHOP_PORT_BASE or 18000. A stack that was started keeps its
    ports: they are read from its files unless `base` is given. If nothing of it runs any more, SHOP_PORT_BASE counts.
    If `brokers` is not given, it has as many as the data in `state` is of, or one. If `shape` is not given, it has that
    of the data, or five services.
    """
    folder = (state or paths.state_folder()).absolute()
    shape = shape or shapes.stored(folder) or Shape()
    chosen = base or _kept_base(folder, shape) or base_from_environment()
    brokers = brokers or stack_files.stored_brokers(folder) or 1
    return Stack(folder, Ports(chosen), services, environment or {}, brokers, shape)


def _kept_base(folder: Path, shape: Shape) -> int | None:
    runs = any(Daemon(name, folder).process() is not None for name in (*EVERYTHING, *shape.units))
    return stack_files.recorded_base(folder) if runs or "SHOP_PORT_BASE" not in os.environ else None


async def up(stack: Stack, report: Report = silent) -> Target:
    """Start the parts that do not run, and return when all are ready.

    If it fails or is cancelled, it stops the parts that it started. Parts that ran before go on running.

    Raises UserError with the reason and what to do.
    """
    with stack_files.alone(stack):
        journal.require_none(stack.state)
        checks.before_start(stack)
        before = {name for name in stack.parts if stack.daemon(name).process() is not None}
        shapes.store(stack.state, stack.shape)
        stack_files.write_facts(stack)
        stack_files.write_secrets(stack)
        try:
            await _start_all(stack, report)
        except BaseException as error:
            await _stop_parts(stack, [name for name in stack.parts if name not in before], silent)
            if not before:
                stack_files.forget_facts(stack)
            if isinstance(error, BaseExceptionGroup):
                raise first_of(error) from None
            raise
    return target_of(stack.state)


async def down(stack: Stack, *, wipe: bool = False, report: Report = silent) -> None:
    """Stop everything in order: services, then the processor, the issuer and spans, then Kafka and PostgreSQL.

    With `wipe` the data is deleted, too: databases, topics, the card ledger, spans, logs, passwords.
    """
    with stack_files.alone(stack):
        await _stop_parts(stack, [*EVERYTHING, *stack.units], report)
        await _stop_moved(stack)
        hands.forget_stopped(stack, (*EVERYTHING, *stack.units))
        stack_files.forget_facts(stack)
        if wipe:
            stack_files.wipe(stack)


async def start(stack: Stack, name: str) -> None:
    """Start one part if it does not run, and return when it is ready."""
    require_known(stack, name)
    if stack.daemon(name).process() is not None:
        return
    if stack.members(name):
        journal.require_none(stack.state)
    hands.forget_stopped(stack, (name,))
    paths.make_private(stack.state)
    match name:
        case "postgres":
            checks.databases(stack)
            await parts.start_postgres(stack)
        case _ if name in BROKERS:
            await parts.start_kafka(stack, name)
        case "spans":
            await parts.start_spans(stack)
        case "processor":
            await parts.start_processor(stack)
        case "issuer":
            await parts.start_issuer(stack)
        case _ if name not in stack.services:
            await groups.start(stack, name)
        case _:
            await handover.stop_leftovers(stack, name)
            release = stack.deployment(name).now
            await venvs.ensure(release.project)
            await migrations.migrate(stack, release)
            await parts.start_service(stack, name)


async def stop(stack: Stack, name: str) -> None:
    """Stop one part by an orderly shutdown."""
    require_known(stack, name)
    await _stop(stack, name)


async def kill(stack: Stack, name: str) -> None:
    """Kill one part, as `kill -9` does."""
    require_known(stack, name)
    await stack.daemon(name).kill()
    await hands.resume(stack, name)


async def restart(stack: Stack, name: str, *, hard: bool = False) -> float:
    """Stop (with `hard`: kill) one part and start it. Returns the seconds from its start until it was ready.

    Raises UserError before anything is stopped if the part could not be started again.
    """
    require_known(stack, name)
    if stack.members(name):
        journal.require_none(stack.state)
    await (kill if hard else stop)(stack, name)
    began = time.monotonic()
    await start(stack, name)
    return time.monotonic() - began


async def _start_all(stack: Stack, report: Report) -> None:
    """Start all parts concurrently. Each service waits for its database and for Kafka."""
    databases, broker = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(_bring_up_postgres(stack, report, databases))
        if stack.shape.has_kafka:
            group.create_task(_bring_up_kafka(stack, report, broker))
        else:
            broker.set()
        group.create_task(_bring_up(stack, SPANS, report))
        group.create_task(_bring_up_program(stack, PROCESSOR, venvs.processor(), report))
        group.create_task(_bring_up_program(stack, ISSUER, venvs.issuer(), report))
        builders = asyncio.Semaphore(max(2, os.cpu_count() or 2))
        for name in stack.units:
            group.create_task(_bring_up_service(stack, name, report, builders, databases, broker))


async def _bring_up_postgres(stack: Stack, report: Report, ready: asyncio.Event) -> None:
    await _bring_up(stack, POSTGRES, report, parts.provision_databases)
    ready.set()


async def _bring_up_kafka(stack: Stack, report: Report, ready: asyncio.Event) -> None:
    await asyncio.gather(*(_bring_up(stack, name, report) for name in stack.broker_names))
    await parts.provision_kafka(stack)
    ready.set()


async def _bring_up_program(stack: Stack, name: str, project: venvs.Project, report: Report) -> None:
    report(name, "environment")
    await venvs.ensure(project)
    await _bring_up(stack, name, report)


async def _bring_up_service(
    stack: Stack,
    name: str,
    report: Report,
    builders: asyncio.Semaphore,
    databases: asyncio.Event,
    broker: asyncio.Event,
) -> None:
    report(name, "environment")
    async with builders:
        await venvs.ensure(groups.project_of(stack, name))
    report(name, "waiting for its database")
    await databases.wait()
    report(name, "migrating")
    await groups.migrate(stack, name)
    report(name, "waiting for Kafka")
    await broker.wait()
    await _bring_up(stack, name, report)


async def _bring_up(
    stack: Stack, name: str, report: Report, then: Callable[[Stack], Awaitable[None]] | None = None
) -> None:
    began = time.monotonic()
    ran_before = stack.daemon(name).process() is not None
    report(name, "starting")
    if ran_before:
        hands.require_not_frozen(stack, name)
        await parts.ready(stack, name)
    else:
        await start(stack, name)
    if then is not None:
        await then(stack)
    report(name, "runs already" if ran_before else f"ready after {time.monotonic() - began:.1f} s")


async def _stop_parts(stack: Stack, names: list[str], report: Report) -> None:
    """Stop the services first, while the parts that they need to finish their work still run."""
    services = dict.fromkeys((*SERVICES, *stack.units))
    for together in (services, (PROCESSOR, ISSUER, SPANS), (*BROKERS, POSTGRES)):
        await asyncio.gather(*(_stop_and_tell(stack, name, report) for name in together if name in names))


async def _stop_moved(stack: Stack) -> None:
    """Stop the processes of a move of one module that was interrupted."""
    if (move := journal.read(stack.state)) is not None:
        for unit in (journal.KEEPER, *move.before.units, *move.after.units):
            await stack.daemon(unit).stop()


async def _stop_and_tell(stack: Stack, name: str, report: Report) -> None:
    if stack.daemon(name).process() is not None:
        report(name, "stopping")
        await _stop(stack, name)
        report(name, "stopped")


async def _stop(stack: Stack, name: str) -> None:
    daemon = stack.daemon(name)
    await hands.resume(stack, name)  # a frozen process would not see the signal that stops it
    match name:
        case "postgres":
            await postgres.stop(daemon)
        case _ if name in BROKERS:
            await kafka.stop(daemon, paths.cache_folder(), recorded=name == KAFKA)
        case _:
            await handover.stop_leftovers(stack, name)
            await daemon.stop()


def require_known(stack: Stack, name: str) -> None:
    """Raise UserError if the stack has no part of this name."""
    if name not in stack.parts:
        if name in stack.services:
            raise UserError(f"{name} is a module of the process {stack.database_of(name)}: name that one.")
        raise UserError(f"There is no {name!r} here: choose one of {', '.join(stack.parts)}.")
