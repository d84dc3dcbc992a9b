"""`shop canary`: a release of a service on trial, in one more process beside the running one."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Annotated

import typer
from rich.console import Console

from shop.commands.bench import end
from shop.releases import released
from shop.steps import Steps
from shop_lab.canary.run import Outcome, Trial
from shop_stack import deployments, embedded
from shop_stack.connect import TargetKind, chosen_kind
from shop_stack.errors import UserError
from shop_stack.target import embedded as target_of

Service = Annotated[str, typer.Argument(help="The service.")]
Version = Annotated[str, typer.Argument(help="One of its releases, or `clone`: the code of this repository.")]
Seconds = Annotated[float, typer.Option(min=5, help="How long the release is watched.")]
Rate = Annotated[
    float, typer.Option(min=0, help="Orders per second to place meanwhile, beside those of your customers.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]


def canary(
    service: Service, version: Version, seconds: Seconds = 60, rate: Rate = 0, as_json: AsJson = False
) -> None:
    """Try a release in one more process of a service, then promote or withdraw it.

    The process joins the consumer group of the service and gets its share of
    the partitions. For a while its keys are compared with the others': dead
    letters, retries, the age of orders, and the invariants of the oracle. If
    it is worse, it is withdrawn at once. If it is no worse at the end, and has
    handled enough messages, the release is deployed as by `shop deploy`.

    The tables are migrated first, as by a deployment: the release before runs
    on them. No HTTP request reaches the canary. The exit code is 0 if it was promoted.

    Examples:

        shop canary notifications 0.2.0

        shop canary notifications 0.2.0 --seconds 120 --rate 10 --json"""
    _require_embedded()
    stack = embedded.stack()
    deployments.require_service(stack, service)
    release = released(service, version)
    target = target_of(stack.state)
    signal.signal(signal.SIGTERM, end)
    with Steps(Console(stderr=True)) as progress:
        task = progress.add_task("starting", total=None)
        trial = Trial(
            stack, target, release, lambda what: progress.update(task, description=what), seconds, rate
        )
        outcome = asyncio.run(trial.carry_out())
    _tell(outcome, as_json)
    raise typer.Exit(0 if outcome.is_promoted else 1)


def _require_embedded() -> None:
    if chosen_kind() is not TargetKind.EMBEDDED:
        raise UserError(
            "A canary runs on the embedded stack alone: leave out --target. On Kubernetes, a second Deployment with "
            "the image of the release does the same (docs/how-to/canary.md)."
        )


def _tell(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(outcome.as_json(), indent=2))
    else:
        typer.echo(outcome.judgement.reason)
