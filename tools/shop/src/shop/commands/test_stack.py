"""`shop test-stack up | down`: PostgreSQL and Kafka that keep running between test runs."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import typer

from shop_stack.errors import UserError
from shop_stack.paths import shop_folder
from shop_stack.servers import read_state, require_own, start_both

app = typer.Typer(
    help="Keep PostgreSQL and Kafka running between test runs (set SHOP_TEST_STACK to the state file)."
)


def _file() -> Path:
    given = os.environ.get("SHOP_TEST_STACK")
    return Path(given).absolute() if given else shop_folder() / "test-stack.json"


@app.command()
def up() -> None:
    """Start the two servers if they do not run, and print the variable by which tests find them."""
    file = _file()
    require_own(file)
    if not _runs(file):
        asyncio.run(start_both(file))
    typer.echo(f"export SHOP_TEST_STACK={file}")


@app.command()
def down() -> None:
    """Stop the two servers and delete all their data."""
    servers, _, _ = read_state(_file())
    asyncio.run(servers.stop())
    _file().unlink()


def _runs(file: Path) -> bool:
    try:
        servers, _, _ = read_state(file)
    except UserError:
        return False
    return servers.runs()
