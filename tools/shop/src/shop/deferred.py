"""The subcommands of `shop`, each imported when it is used. One command needs few of the packages that all need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

WHERE: Mapping[str, str] = {
    "up": "up:up",
    "down": "down:down",
    "start": "by_hand:start",
    "stop": "by_hand:stop",
    "freeze": "by_hand:freeze",
    "slow": "by_hand:slow",
    "resume": "by_hand:resume",
    "restart": "restart:restart",
    "deploy": "deploy:deploy",
    "rollback": "rollback:rollback",
    "emancipate": "emancipate:emancipate",
    "rotate": "rotate:rotate",
    "status": "status:status",
    "logs": "logs:logs",
    "demo": "demo:demo",
    "catalogue": "catalogue:catalogue",
    "order": "order:order",
    "token": "token:token",
    "watch": "watch:watch",
    "why": "why:why",
    "trace": "trace:trace",
    "check": "check:check",
    "erase": "erase:erase",
    "send": "send:send",
    "republish": "dead_letters:republish",
    "backup": "backup:backup",
    "restore": "restore:restore",
    "doctor": "doctor:doctor",
    "bench": "bench:bench",
    "compare": "compare:compare",
    "audit": "audit:audit",
    "can-i-deploy": "can_i_deploy:can_i_deploy",
    "simulate": "simulate:simulate",
    "skew": "skew:skew",
    "canary": "canary:canary",
    "mutate": "mutate:mutate",
    "rights": "rights:rights_command",
    "end-session": "end_session:end_session",
    "floor": "floor:floor",
    "who-reads": "who_reads:who_reads_command",
    "chaos": "chaos:app",
    "contracts": "contracts:app",
    "dead-letters": "dead_letters:app",
    "drill": "drill:app",
    "fuzz": "fuzz:app",
    "images": "images:app",
    "lab": "lab:app",
    "new": "new:app",
    "outbox": "outbox:app",
    "release": "release:app",
    "saga": "saga:app",
    "test-stack": "test_stack:app",
}
"""Subcommand → the module in `shop.commands`, and in it the function, or the `app` of a group of subcommands."""


class DeferredCommands(Mapping[str, Any]):
    """Subcommand → its command. The module is imported when the command is read."""

    def __getitem__(self, name: str) -> Any:
        return imported(name)

    def __iter__(self) -> Iterator[str]:
        return iter(WHERE)

    def __len__(self) -> int:
        return len(WHERE)

    def __contains__(self, name: object) -> bool:
        return name in WHERE


class DeferredGroup(TyperGroup):
    """The group of all subcommands. To show its help, it imports all of them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = DeferredCommands()


@cache
def imported(name: str) -> Any:
    """The command of that name. Raises KeyError if there is none."""
    module, _, attribute = WHERE[name].partition(":")
    found = getattr(import_module(f"shop.commands.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        found = alone
    command = get_command(found)
    command.name = name
    return command
