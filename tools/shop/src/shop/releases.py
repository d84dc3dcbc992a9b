"""Finds the code of a release by its version, and shows the outcome of a deployment."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

from shop_stack.deployments import CLONE, Deployed, Outcome, clone
from shop_stack.paths import repository


def released(service: str, version: str) -> Deployed:
    """A release with its code, checked out of git; the code of this repository for the version `clone`.

    Raises UserError if there is no such release, if its file was changed by hand, or if git lacks its commit.
    """
    if version == CLONE:
        return clone(service)
    release = _read(service, version)
    checkout = importlib.import_module("shop_contracts.releases.checkout").checkout
    return Deployed(service, version, asyncio.run(checkout(release)), release.commit)


def require_release(service: str, version: str) -> None:
    """Raise UserError if there is no such release, or if its file was changed by hand. `clone` is a version, too."""
    if version != CLONE:
        _read(service, version)


def _read(service: str, version: str) -> Any:
    return importlib.import_module("shop_contracts.releases.release").read(repository(), service, version)


def sentences(outcome: Outcome) -> list[str]:
    """The outcome of a deployment, for people."""
    now = outcome.now
    if not outcome.is_running:
        return [f"{now.name} is chosen: `shop up` starts it."]
    if outcome.now == outcome.before and not now.is_clone:
        return [f"{now.name} runs already."]
    told = [f"{now.name} runs, {outcome.seconds:.1f} s after the start of the command."]
    if outcome.gap:
        told.append(
            f"{now.service} was away for a moment and clients had to try again, because {outcome.gap}."
        )
    else:
        told.append(f"No connection was refused: {outcome.before.name} finished its requests, then it ended.")
    return told


def facts(outcome: Outcome) -> dict[str, Any]:
    """The outcome of a deployment as JSON. `gap` is the reason for which the service was away, null if it was not."""
    return {
        "service": outcome.now.service,
        "version": outcome.now.version,
        "revision": outcome.now.revision,
        "before": outcome.before.version,
        "running": outcome.is_running,
        "seconds": round(outcome.seconds, 2),
        "gap": outcome.gap or None,
    }
