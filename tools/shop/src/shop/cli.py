"""The `shop` command: its subcommands, and its errors."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from shop.commands import (
    chaos,
    contracts,
    dead_letters,
    drill,
    fuzz,
    images,
    lab,
    new,
    outbox,
    release,
    test_stack,
)
from shop.commands.audit import audit
from shop.commands.backup import backup
from shop.commands.bench import bench
from shop.commands.by_hand import freeze, resume, slow, start, stop
from shop.commands.can_i_deploy import can_i_deploy
from shop.commands.canary import canary
from shop.commands.catalogue import catalogue
from shop.commands.check import check
from shop.commands.dead_letters import republish
from shop.commands.demo import demo
from shop.commands.deploy import deploy
from shop.commands.doctor import doctor
from shop.commands.down import down
from shop.commands.end_session import end_session
from shop.commands.erase import erase
from shop.commands.logs import logs
from shop.commands.mutate import mutate
from shop.commands.order import order
from shop.commands.restart import restart
from shop.commands.restore import restore
from shop.commands.rights import rights_command
from shop.commands.rollback import rollback
from shop.commands.rotate import rotate
from shop.commands.send import send
from shop.commands.simulate import simulate
from shop.commands.skew import skew
from shop.commands.status import status
from shop.commands.token import token
from shop.commands.trace import trace
from shop.commands.up import up
from shop.commands.watch import watch
from shop.commands.who_reads import who_reads_command
from shop.commands.why import why
from shop.output import guard
from shop_chaos.drills.record import note_look
from shop_stack.connect import VARIABLE, TargetKind, chosen_kind
from shop_stack.errors import UserError
from shop_stack.paths import make_private, state_folder
from shop_stack.target import TargetMissing

app = typer.Typer(
    name="shop",
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
    note_look(context.invoked_subcommand)


COMMANDS = (
    up,
    down,
    start,
    stop,
    freeze,
    slow,
    resume,
    restart,
    deploy,
    rollback,
    rotate,
    status,
    logs,
    demo,
    catalogue,
    order,
    token,
    watch,
    why,
    trace,
    check,
    erase,
    send,
    republish,
    backup,
    restore,
    doctor,
    bench,
    audit,
    can_i_deploy,
    simulate,
    skew,
    canary,
    mutate,
)
for command in COMMANDS:
    app.command()(command)
app.command("rights")(rights_command)
app.command("end-session")(end_session)
app.command("who-reads")(who_reads_command)
app.add_typer(chaos.app, name="chaos")
app.add_typer(contracts.app, name="contracts")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(drill.app, name="drill")
app.add_typer(fuzz.app, name="fuzz")
app.add_typer(images.app, name="images")
app.add_typer(lab.app, name="lab")
app.add_typer(new.app, name="new")
app.add_typer(outbox.app, name="outbox")
app.add_typer(release.app, name="release")
app.add_typer(test_stack.app, name="test-stack")


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
