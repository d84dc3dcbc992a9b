"""Deploys a release of one service on the embedded stack, while the shop runs.

    release = Deployed("orders", "0.1.1", checkout, commit)
    await deployments.deploy(stack, release)
    await deployments.rollback(stack, "orders")

The release gets an environment of its own, its migrations are applied, and its process replaces the one that runs
(`handover.py`). A migration leaves the release from before running, so going back to it leaves the tables as they are
(docs/decisions/0043). An earlier release is refused.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from shop_stack import deployed as record
from shop_stack import embedded, handover, migrations, parts, stack_files, venvs
from shop_stack.deployed import CLONE, Deployed, Deployment, clone
from shop_stack.embedded import Report, silent
from shop_stack.errors import UserError
from shop_stack.parts import READY_PATIENCE
from shop_stack.stack import KAFKA, POSTGRES, Stack

__all__ = ["CLONE", "Deployed", "Outcome", "clone", "deploy", "deployed", "rollback"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A deployment that has succeeded."""

    now: Deployed
    before: Deployed
    seconds: float
    """Seconds from the start of the command."""
    is_running: bool = True
    """False: the service did not run. It starts with this release."""
    gap: str = ""
    """The reason for which the service was away for a moment, so that clients had to try again; empty if it was not."""


def deployed(stack: Stack) -> dict[str, Deployed]:
    """Service → the release that the stack runs. A service without an entry runs the clone. Raises UserError."""
    found = {service: each.now for service, each in record.read_all(stack.state).items()}
    return {service: release for service, release in found.items() if not release.is_clone}


async def deploy(
    stack: Stack, release: Deployed, report: Report = silent, patience: float = READY_PATIENCE
) -> Outcome:
    """Replace one service by a release of it. `clone(service)` is the code of this repository, as it is now.

    If the service does not run, the release is recorded, and started if PostgreSQL and Kafka run.

    Raises UserError if there is no such service, if the release does not run on the tables that the database has, if
    its environment or its migrations fail, or if its process is not ready after `patience` seconds. Then the service
    runs the release from before.
    """
    with stack_files.alone(stack):
        return await _deploy(stack, release, report, patience)


async def rollback(
    stack: Stack, service: str, report: Report = silent, patience: float = READY_PATIENCE
) -> Outcome:
    """Replace one service by the release that it ran before. A second call returns to the later one.

    Raises UserError as `deploy` does, or if there is no release from before.
    """
    with stack_files.alone(stack):
        require_service(stack, service)
        before = stack.deployment(service).before
        if before is None:
            raise UserError(
                f"{service} has no release to go back to: nothing was deployed here yet. "
                f"`shop deploy {service} VERSION` deploys one."
            )
        return await _deploy(stack, before, report, patience)


def require_service(stack: Stack, name: str) -> None:
    """Raise UserError if the stack has no service of this name."""
    if name not in stack.services:
        raise UserError(f"There is no service {name!r}: choose one of {', '.join(stack.services)}.")


async def _deploy(stack: Stack, release: Deployed, report: Report, patience: float) -> Outcome:
    began = time.monotonic()
    name = release.service
    require_service(stack, name)
    if stack.daemon(POSTGRES).process() is not None:
        await migrations.refuse_later_tables(stack, release)  # before minutes are spent on its environment
    present = stack.deployment(name)
    following = present.followed_by(release)
    report(name, f"environment of {release.name}")
    await venvs.ensure(release.project)
    if stack.daemon(name).process() is None:
        is_running = await _start(stack, following, report)
        return Outcome(release, present.now, time.monotonic() - began, is_running)
    if release == present.now and not release.is_clone and await parts.is_ready(stack, name):
        return Outcome(release, present.now, time.monotonic() - began)
    await handover.stop_leftovers(stack, name)
    report(name, "migrating")
    await migrations.migrate(stack, release)
    gap = handover.why_not(stack, name, release)
    if gap:
        report(name, f"restarting, because {gap}")
        await _restart(stack, present, following)
    else:
        report(name, "starting beside the process that runs")
        await handover.replace_process(stack, name, following, patience)
    seconds = time.monotonic() - began
    report(name, f"ready after {seconds:.1f} s")
    return Outcome(release, present.now, seconds, gap=gap)


async def _start(stack: Stack, following: Deployment, report: Report) -> bool:
    """Record a release of a service that does not run, and start it if it can. Returns whether it runs."""
    name = following.now.service
    present = stack.deployment(name)
    record.write(stack.state, following)
    if any(stack.daemon(part).process() is None for part in (POSTGRES, KAFKA)):
        return False
    report(name, "starting")
    try:
        await embedded.start(stack, name)
    except BaseException:
        await stack.daemon(name).stop()
        record.write(stack.state, present)
        raise
    return True


async def _restart(stack: Stack, present: Deployment, following: Deployment) -> None:
    """Stop a service and start it with another release. If that fails, start the release from before again."""
    name = present.now.service
    await embedded.stop(stack, name)
    record.write(stack.state, following)
    try:
        await embedded.start(stack, name)
    except BaseException as error:
        await stack.daemon(name).stop()
        record.write(stack.state, present)
        await embedded.start(stack, name)
        if not isinstance(error, UserError):
            raise
        raise UserError(
            f"{following.now.name} does not start, so {present.now.name} runs again: {error}"
        ) from None
