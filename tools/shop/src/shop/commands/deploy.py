"""`shop deploy`: replaces one service by one of its releases, while the shop runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console

from shop.commands.progress import Progress
from shop.output import all_the_same
from shop.releases import facts, released, require_release, sentences
from shop_stack import compose_deployments, deployments, embedded, kubernetes_deployments
from shop_stack.connect import TargetKind, chosen_kind
from shop_stack.deployments import Outcome
from shop_stack.embedded import Report


def deploy(
    service: Annotated[str, typer.Argument(help="The service to replace.")],
    version: Annotated[
        str, typer.Argument(help="One of its releases, or `clone`: the code of this repository.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Replace one service by one of its releases, while the shop runs and the other services stay as they are.

    The code of the release comes out of git and gets an environment of its
    own. Its migrations are applied. A process of the release starts beside the
    one that runs, and takes over its listening sockets. When it is ready, the
    one from before finishes its requests and ends, so no request fails. If it
    does not become ready, it is stopped, and the one from before goes on.

    `shop up` and `shop restart` start the same release later. `shop rollback`
    goes back.

    With --target compose, the image is built and the container replaced: the
    service is away for some seconds. With --target k8s, the image of this
    release is set, and Kubernetes replaces one pod after the other. `make
    publish` has pushed it.

    Examples:

        shop deploy orders 0.2.0

        shop deploy orders clone

        shop --target k8s deploy orders 0.2.0"""
    carry_out(lambda report: deployed(service, version, report), as_json)


def deployed(service: str, version: str, report: Report) -> Outcome:
    """Deploy a release on the chosen shop. Raises UserError."""
    match chosen_kind():
        case TargetKind.EMBEDDED:
            stack = embedded.stack()
            deployments.require_service(stack, service)
            return asyncio.run(deployments.deploy(stack, released(service, version), report))
        case TargetKind.COMPOSE:
            compose_deployments.require_service(service)
            return compose_deployments.deploy(released(service, version), report)
        case TargetKind.K8S:
            require_release(service, version)
            return kubernetes_deployments.deploy(service, version, report)


def carry_out(work: Callable[[Report], Outcome], as_json: bool) -> None:
    """Do the work and show its steps, then its outcome. `work` is called with the function that shows a step."""
    console = Console(highlight=False)
    with Progress(Console(stderr=True) if as_json else console) as progress:
        outcome = work(progress.report)
    with all_the_same("The release is deployed all the same: `shop status` shows it."):
        progress.require_a_reader()
        if as_json:
            typer.echo(json.dumps(facts(outcome), indent=2))
        else:
            for sentence in sentences(outcome):
                console.print(sentence, soft_wrap=True)
