"""The command `shop images`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from shop.supply import images
from shop.supply.images import FAULTS, Finding, State
from shop_stack.paths import repository

app = typer.Typer(
    help="Images of other projects, and the digests that fix them: check, pin.", no_args_is_help=True
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

MARKS = {
    State.PINNED: "[green]✓[/]",
    State.MOVED: "[green]✓[/]",
    State.UNPINNED: "[red]✗[/]",
    State.UNKNOWN: "[red]✗[/]",
    State.UNRESOLVED: "[yellow]?[/]",
}
CURES = {
    State.MOVED: "`shop images pin` takes what the tag means now.",
    State.UNPINNED: "`shop images pin` writes the digests into the files; commit them.",
    State.UNKNOWN: "The registry has no such tag or digest: correct the line, or run `shop images pin`.",
    State.UNRESOLVED: "Not resolved is not a pass: run it again where docker reaches a registry.",
}
"""State → what to do next."""
NOT_RESOLVED = 3
"""The exit code where nothing is known to be wrong, and something is not known."""


@app.command()
def check(as_json: AsJson = False) -> None:
    """Compare the images that the files name with the registry.

    An image is pinned if its line has a digest, such as postgres:18@sha256:…, and
    the registry has that digest. A tag alone can mean another image tomorrow.
    docker asks the registry, with your settings for mirrors and logins.

    Exit code 0 if all are pinned, 1 if one is not, 3 if none is known to be wrong
    but a registry did not answer ("not resolved here"). It changes nothing.

    Examples:

        shop images check

        shop images check --json | jq -r '.[] | select(.state != "pinned").image'"""
    report(images.examine(repository()), as_json)


@app.command()
def pin(as_json: AsJson = False) -> None:
    """Write the digest that each tag has now into every line that names it.

    It changes Dockerfiles, docker-compose.yml, deploy/k8s and the test kit's
    containers. An image whose registry does not answer stays as it is: no digest
    is guessed. Look at the difference and commit it.

    The exit codes are those of `shop images check`.

    Example:

        shop images pin && git diff --stat"""
    report(images.pin(repository()), as_json)


def report(findings: Sequence[Finding], as_json: bool) -> None:
    """Print the findings, and end with the exit code that they mean."""
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        console = Console(highlight=False)
        print_findings(findings, console)
        for state, cure in CURES.items():
            if any(finding.state is state for finding in findings):
                console.print(cure)
    raise typer.Exit(exit_code(findings))


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """Print two lines for each image: how it is fixed and how many lines name it, then the reason or the digest."""
    width = max((len(images.tag_of(finding.image)) for finding in findings), default=0)
    for finding in findings:
        tag = images.tag_of(finding.image)
        named = f"{len(finding.files)} {'line' if len(finding.files) == 1 else 'lines'}"
        console.print(f"{MARKS[finding.state]} {tag:<{width}}  {named:>8}  {finding.state}", soft_wrap=True)
        # What docker says may hold brackets, which are no markup.
        detail = finding.detail or finding.image.partition("@")[2]
        console.print(Text(f"  {detail}", style="dim"), soft_wrap=True)


def exit_code(findings: Sequence[Finding]) -> int:
    """0 if every image is pinned, 1 if one is wrong, 3 if nothing is wrong and something is not known."""
    states = {finding.state for finding in findings}
    if states & set(FAULTS):
        return 1
    return NOT_RESOLVED if State.UNRESOLVED in states or not states else 0
