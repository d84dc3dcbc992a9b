"""Deployables, processes, databases and pipelines of a shape, counted in what runs and in the files of this clone."""

from __future__ import annotations

from shop_lab.testbed import Testbed
from shop_stack.paths import repository
from shop_stack.stack import Stack

WORKFLOWS = ".github/workflows"
DATABASES = "SELECT count(*) FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'"


async def counted(testbed: Testbed) -> dict[str, float]:
    """Key → number, of a shop that runs.

    A deployable is an environment out of which a process of services runs. A pipeline is a workflow file of a service.
    A deployable waits for the pipelines of all services in it.
    """
    stack = testbed.stack
    running = [name for name in stack.parts if stack.daemon(name).process() is not None]
    units = [name for name in running if stack.members(name)]
    pipelines = {unit: pipelines_of(stack, unit) for unit in units}
    async with testbed.database("postgres") as connection:
        databases = await connection.fetchval(DATABASES)
    return {
        "deployables": len({environment_of(stack, unit) for unit in units}),
        "service_processes": len(units),
        "processes": len(running),
        "databases": databases,
        "pipelines": len(set().union(*pipelines.values())),
        "pipelines_of_largest": max(map(len, pipelines.values()), default=0),
    }


def environment_of(stack: Stack, unit: str) -> str:
    """The interpreter that a process runs, whose folder is its environment."""
    process = stack.daemon(unit).process()
    return process.cmdline()[0] if process is not None else ""


def pipelines_of(stack: Stack, unit: str) -> set[str]:
    """The workflow files of the services of a process."""
    files = {repository() / WORKFLOWS / f"{service}.yml" for service in stack.members(unit)}
    return {file.name for file in files if file.exists()}
