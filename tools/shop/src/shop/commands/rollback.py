"""`shop rollback`: replaces one service by the release that it ran before, while the shop runs."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from shop.commands.deploy import carry_out
from shop_stack import compose_deployments, deployments, embedded, kubernetes_deployments
from shop_stack.connect import TargetKind, chosen_kind
from shop_stack.deployments import Outcome
from shop_stack.embedded import Report


def rollback(
    service: Annotated[str, typer.Argument(help="The service to replace.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Replace one service by the release that it ran before the last `shop deploy`, as `shop deploy` does.

    The tables stay as they are: the release before runs on them. A second rollback returns to the later release.

    Example:

        shop rollback orders"""
    carry_out(lambda report: rolled_back(service, report), as_json)


def rolled_back(service: str, report: Report) -> Outcome:
    """Go back on the chosen shop. Raises UserError, also if nothing was deployed."""
    match chosen_kind():
        case TargetKind.EMBEDDED:
            return asyncio.run(deployments.rollback(embedded.stack(), service, report))
        case TargetKind.COMPOSE:
            return compose_deployments.rollback(service, report)
        case TargetKind.K8S:
            return kubernetes_deployments.rollback(service, report)
