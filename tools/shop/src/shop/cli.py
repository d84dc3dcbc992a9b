"""The `shop` command: what holds for all subcommands, and its errors."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from shop.deferred import DeferredGroup
from shop.output import guard
from shop.shapes import require_five_services
from shop_chaos.drills.looks import note_look
from shop_stack.connect import VARIABLE, TargetKind, chosen_kind
from shop_stack.errors import UserError
from shop_stack.paths import make_private, state_folder
from shop_stack.target import TargetMissing

app = typer.Typer(
    name="shop",
    cls=DeferredGroup,
    help="Runs, watches and judges Shopfloor on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def choose(
    context: typer.Context,
    target: Annotated[
        TargetKind | None,
        typer.Option(
            help="The running shop that catalogue, order, token, watch, why, trace, demo, check, erase, deploy, "
            "rollback, dead-letters, outbox, republish, can-i-deploy, who-reads and bench use (or SHOP_TARGET)."
        ),
    ] = None,
) -> None:
    """Runs, watches and judges Shopfloor."""
    # In the environment, so that every program that a command starts uses the same shop.
    os.environ[VARIABLE] = target or chosen_kind()
    require_five_services(context.invoked_subcommand)
    note_look(context.invoked_subcommand)


def main() -> None:
    """The entry point. A UserError is printed as one sentence on stderr, without a traceback; the exit code is 1.

    The traceback of an unexpected error is written into a file, which the sentence names.
    """
    # If a broker is unavailable, this program reports it in one sentence. The client library's own lines are left out.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    guard()
    try:
        app()
    except (UserError, TargetMissing) as error:
        say(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        say(f"An unexpected error ({type(error).__name__}: {one_line(error)}): {kept_traceback()}")
        sys.exit(1)


def say(sentence: str) -> None:
    """Print one sentence on stderr. Brackets in it are text and not markup."""
    text = Text("shop: ", style="bold red").append(sentence, style="not bold default")
    Console(stderr=True, highlight=False).print(text, soft_wrap=True)


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def kept_traceback() -> str:
    """Write the traceback of the current error into a file. Returns the end of the sentence, which names the file."""
    try:
        file = state_folder() / "logs" / "shop.log"
        make_private(state_folder())
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as log:
            traceback.print_exc(file=log)
    except (OSError, UserError):
        return "try again."
    return f"try again; if it happens again, report it with {file}."


if __name__ == "__main__":
    main()
