"""`shop up`: starts the whole shop on this machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shop.commands.catalogue import catalogue_table
from shop.commands.progress import Progress
from shop.output import all_the_same
from shop_load.catalogue import Offer, ensure_catalogue
from shop_load.client import LoadFailed
from shop_stack import archive, embedded, monitoring, paths, shapes
from shop_stack.errors import UserError
from shop_stack.ports import BROKERS
from shop_stack.shapes import CHOREOGRAPHED, STEPS, Shape
from shop_stack.stack import POSTGRES, Stack
from shop_stack.target import Target

console = Console()


def up(
    brokers: Annotated[
        int | None, typer.Option(help="Brokers of Kafka: 1 or 3. Default: as many as the data is of, or 1.")
    ] = None,
    as_: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="SHAPE",
            help="Which services share a process and a database: monolith, services, or groups. "
            "Default: as the data is, or services.",
        ),
    ] = None,
    saga: Annotated[
        str | None,
        typer.Option(
            metavar="SAGA",
            help="choreographed: services react to events of each other. orchestrated: orders sends commands. "
            "Default: as the data is, or choreographed.",
        ),
    ] = None,
    tx: Annotated[
        str | None,
        typer.Option(
            metavar="TX",
            help="steps: each step of an order is a transaction of its own. single: an order is one transaction, if "
            "one group has orders, inventory and payments. Default: as the data is, or steps.",
        ),
    ] = None,
    with_archive: Annotated[
        bool,
        typer.Option("--archive", help="From now on, keep what `shop restore` needs, and take a backup."),
    ] = False,
    with_observability: Annotated[
        bool,
        typer.Option("--observability", help="Start Prometheus, too, with the rules for practice."),
    ] = False,
) -> None:
    """Start every part that does not run, wait until all are ready, and print the addresses.

    A fresh shop gets a small catalogue, which is printed too. With three brokers each record is on all three, and a
    write needs two of them: the shop goes on while one is stopped (`shop stop kafka-2`) or killed
    (`shop restart kafka-3 --kill`). They need 0.7 GB more memory.

    With --as, services of a group share a process and a database. Between groups
    is Kafka. A monolith has no Kafka. The code of the services is the same.

    With --saga orchestrated, orders directs each order: it sends commands, and keeps the
    progress in a table. Each grouping can have either saga. `shop saga diff` compares them.

    With --tx single, an order is confirmed or rejected in the database transaction
    of its request, and is never seen PENDING. The same handlers run, in the same
    order. A slow card processor then holds locks: other orders wait meanwhile.

    Examples:

        shop up

        shop up --brokers 3

        shop up --as monolith

        shop up --as "orders+inventory | payments+notifications | analytics"

        shop up --saga orchestrated

        shop up --as monolith --saga orchestrated

        shop up --as monolith --tx single

        shop up --archive --observability      then `shop restore SERVICE --to TIME` is possible
    """
    if brokers not in (None, 1, len(BROKERS)):
        raise UserError(f"A shop has one broker of Kafka, or three, and not {brokers}: say `--brokers 3`.")
    stack = embedded.stack(brokers=brokers, shape=wanted_shape(as_, saga, tx))
    require_fitting(stack.shape, brokers, with_archive, with_observability)
    began = time.monotonic()
    with Progress(console) as progress:
        target = asyncio.run(start(stack, progress.report, with_archive))
    offers = offered(target)
    with all_the_same("The shop is up all the same: `shop status` shows it, `shop down` stops it."):
        progress.require_a_reader()
        tell(target, offers, time.monotonic() - began)
    if with_observability:
        console.print(f"Prometheus: {asyncio.run(monitoring.start(stack))} (metrics, alerts, objectives)")


def wanted_shape(as_: str | None, saga: str | None, tx: str | None = None) -> Shape | None:
    """The shape that the options name; None for that of the data. Raises UserError.

    `--saga` or `--tx` alone keeps the rest of the data's shape. `--as` alone means the choreographed saga in steps.
    """
    if as_ is not None:
        return Shape.parse(as_, saga or CHOREOGRAPHED, tx or STEPS)
    if saga is None and tx is None:
        return None
    kept = shapes.stored(paths.state_folder()) or Shape()
    return replace(kept, tx=STEPS).with_saga(saga or kept.saga).with_tx(tx or kept.tx)


def require_fitting(shape: Shape, brokers: int | None, with_archive: bool, with_observability: bool) -> None:
    """Raise UserError if an option of `shop up` does not fit the shape."""
    if with_archive and shape != Shape():
        raise UserError(
            f"An archive restores the database of one service, and this shop is {shape}: leave out `--archive`, or "
            "start five services in another folder (SHOP_STATE)."
        )
    if with_observability and not shape.is_five_services:
        raise UserError(
            "Objectives and alerts count by service, and the services of a group have one set of metrics. This shop is "
            f"{shape}: leave out `--observability`, or start five services in another folder (SHOP_STATE)."
        )
    if brokers is not None and not shape.has_kafka:
        raise UserError("A monolith has no Kafka, and so no brokers: leave out `--brokers`.")


async def start(stack: Stack, report: embedded.Report, with_archive: bool) -> Target:
    """Start a stack. `with_archive` switches the archive on, if it is not, and takes the first backup."""
    if with_archive:
        archive.switch_on(stack)
    target = await embedded.up(stack, report)
    if with_archive:
        if not await archive.is_used(stack):
            report(POSTGRES, "restarting with an archive")
            await embedded.restart(stack, POSTGRES)
        if not archive.backups(stack):
            report(POSTGRES, "backup")
            await archive.back_up(stack)
        report(POSTGRES, "ready, with an archive")
    return target


def offered(target: Target) -> list[Offer]:
    """Complete the catalogue. Raises UserError if a product cannot be ordered, although the shop runs."""
    try:
        return asyncio.run(ensure_catalogue(target))
    except LoadFailed as error:
        raise UserError(
            f"The shop is up, but not all products of its catalogue can be ordered: {error} "
            "Then run `shop catalogue`."
        ) from None


def tell(target: Target, offers: Sequence[Offer], seconds: float) -> None:
    """Print the addresses of a shop that has just started, its catalogue, and the next commands."""
    console.print(f"The shop is open after {seconds:.1f} s.", style="bold green")
    console.print(addresses(target))
    console.print()
    console.print(catalogue_table(offers))
    console.print()
    console.print(
        f"Next: `shop order --line {offers[0].sku}:2`, `shop demo`, `shop status`; `shop down` stops everything."
    )


def addresses(target: Target) -> Table:
    """The address of each part, as a table."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, url in target.service_urls.items():
        table.add_row(name, f"{url}/docs")
    table.add_row("processor", f"{target.processor_url}/docs")
    table.add_row("issuer", f"{target.issuer.url} (`shop token` prints a token)")
    if target.shape.has_kafka:
        table.add_row("kafka", target.kafka.bootstrap)
    table.add_row("management", f"see management_urls in {target.state / 'stack.json'}")
    table.add_row("databases", f"see database_urls in {target.state / 'stack.json'}")
    return table
