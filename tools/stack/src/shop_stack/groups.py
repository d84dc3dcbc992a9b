"""Processes of services: each of one service, or of a group of them (docs/decisions/0055).

A group runs the code of this repository. The variables of each of its modules are in a file of its own, because all
modules have the environment of one process.
"""

from __future__ import annotations

from collections.abc import Mapping

import asyncpg

from shop_stack import local_topics, migrations, parts, postgres, topics, venvs
from shop_stack.deployed import clone
from shop_stack.local_topics import Module
from shop_stack.passwords import write_private_text
from shop_stack.ports import require_free
from shop_stack.stack import Stack

FOLDER = "secrets"
"""The folder of the modules' settings. Some of them are secret."""
NO_KAFKA = "none"
"""KAFKA_BOOTSTRAP_SERVERS of a module in a shop without Kafka."""


def project_of(stack: Stack, unit: str) -> venvs.Project:
    """The environment of a process."""
    if unit in stack.services:
        return stack.deployment(unit).now.project
    return venvs.group(stack.members(unit))


async def migrate(stack: Stack, unit: str) -> None:
    """Apply the new migrations of each service of a process, and provide the topics between them.

    Raises UserError if a migration fails.
    """
    if unit in stack.services:
        await migrations.migrate(stack, stack.deployment(unit).now)
        return
    for name in stack.members(unit):
        await migrations.migrate(stack, clone(name), project_of(stack, unit).python)
    roles = [stack.passwords.roles(name) for name in stack.members(unit)]
    modules = [Module(each.service, each.service, each.name, each.owner) for each in roles]
    try:
        async with stack.server.connected(unit) as connection:
            await local_topics.provide(connection, modules, topics.entries(stack.contracts))
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise postgres.unusable(error) from error


async def start(stack: Stack, unit: str) -> None:
    """Start the process of a group, and return when each of its modules is ready."""
    await venvs.ensure(project_of(stack, unit))
    await migrate(stack, unit)
    for name in stack.members(unit):
        require_free(name, stack.ports.service(name))
        require_free(f"the management port of {name}", stack.ports.management(name))
        (stack.state / stack.deployment(name).handover_socket).unlink(missing_ok=True)
    launch(stack, unit)
    await parts.ready(stack, unit)


def launch(stack: Stack, unit: str, more: Mapping[str, Mapping[str, str]] | None = None) -> None:
    """Start the process of a group whose environment is built and whose tables are migrated. Do not wait for it.

    `more` has further variables for its modules.
    """
    members = stack.members(unit)
    folder = stack.state / FOLDER
    for name in members:
        stack.secret_files(name).write(stack.passwords)
        settings = {**settings_of(stack, name), **(more or {}).get(name, {})}
        write_private_text(folder / f"{name}.env", as_file(settings))
    environment = {**environment_of(stack, unit), "GROUP_SETTINGS": str(folder)}
    argv = [str(project_of(stack, unit).python), "-m", "chassis.group", *members]
    stack.daemon(unit).start(argv, env=environment, cwd=stack.state)


def settings_of(stack: Stack, name: str) -> dict[str, str]:
    """The variables of one module of a group."""
    common = parts.child_environment(stack.environment)
    settings = {
        variable: value
        for variable, value in parts.service_environment(stack, name).items()
        if common.get(variable) != value and not variable.startswith("OTEL_")
    }
    settings["LOCAL_MODULES"] = ",".join(stack.shape.group_of(name))
    settings["HTTP_HANDOVER_SOCKET"] = stack.deployment(name).handover_socket
    if not stack.shape.has_kafka:
        settings = {key: value for key, value in settings.items() if not key.startswith("KAFKA_")}
        settings["KAFKA_BOOTSTRAP_SERVERS"] = NO_KAFKA
    return settings


def environment_of(stack: Stack, unit: str) -> dict[str, str]:
    """The environment of the process of a group: what all of its modules have in common.

    A variable of the process has precedence over the files of the modules. So it has none of their variables, even if
    the program that starts it has one of them.
    """
    members = stack.members(unit)
    own = {variable for name in members for variable in settings_of(stack, name)}
    spans = {
        variable: value
        for variable, value in parts.service_environment(stack, members[0]).items()
        if variable.startswith("OTEL_") and variable != "OTEL_SERVICE_NAME"
    }
    common = {**parts.child_environment(stack.environment), **spans}
    return {
        variable: value
        for variable, value in common.items()
        if variable not in own and variable != "OTEL_SERVICE_NAME"
    }


def as_file(settings: Mapping[str, str]) -> str:
    """Variables as lines that pydantic-settings reads (python-dotenv)."""
    lines = []
    for name, value in sorted(settings.items()):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        lines.append(f"{name}='{escaped}'\n")
    return "".join(lines)
