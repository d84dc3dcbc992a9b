"""The files of a stack: the addresses of a running one, the lock, and the files that a wipe deletes."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shop_stack import archive, deployed, kafka, monitoring, paths, postgres_programs, recovery, shapes
from shop_stack.emancipation import journal
from shop_stack.errors import UserError
from shop_stack.parts import CUSTOMERS_FILE, KEYS_FILE
from shop_stack.passwords import write_private
from shop_stack.ports import BROKERS
from shop_stack.rights import ORACLE
from shop_stack.stack import PROCESSOR, Stack

FOLDERS = (
    "postgres",
    *BROKERS,
    "spans",
    "history",
    "logs",
    "run",
    "secrets",
    monitoring.DATA,
    monitoring.TARGETS,
    archive.FOLDER,
    recovery.FOLDER,
)
FILES = (
    monitoring.CONFIGURATION,
    "ledger.sqlite3*",
    f"{CUSTOMERS_FILE}*",
    KEYS_FILE,
    "passwords.json",
    "kafka*.properties",
    kafka.CLUSTER_FILE,
    deployed.FILE,
    shapes.FILE,
    journal.FILE,
)


def write_facts(stack: Stack) -> None:
    """Write the file that `shop_stack.target.embedded` reads. It is private, because it has passwords."""
    owners = {name: stack.passwords.roles(name) for name in stack.services}
    oracle = stack.logins.of(ORACLE)
    facts = {
        "base": stack.ports.base,
        "service_urls": {name: stack.url(name) for name in stack.services},
        "management_urls": {name: stack.management_url(name) for name in stack.services},
        "processor_url": stack.url(PROCESSOR),
        "processor_key": stack.passwords.processor_key,
        "issuer_url": stack.issuer.url,
        "client_secrets": stack.issuer.secrets,
        "kafka": {"bootstrap": oracle.bootstrap, "username": oracle.username, "password": oracle.password},
        "database_urls": {
            name: stack.server.url(stack.database_of(name), roles.owner, roles.owner_password)
            for name, roles in owners.items()
        },
        "groups": stack.shape.groups,
        "saga": stack.shape.saga,
        "tx": stack.shape.tx,
        "spans": str(stack.spans),
        "contracts": str(stack.contracts),
    }
    write_private(stack.state / "stack.json", facts)


def write_secrets(stack: Stack) -> None:
    """Write the files from which the services read their passwords."""
    for name in stack.services:
        stack.secret_files(name).write(stack.passwords)


def forget_facts(stack: Stack) -> None:
    """Delete the addresses of a stack that was stopped."""
    (stack.state / "stack.json").unlink(missing_ok=True)


def recorded_base(state: Path) -> int | None:
    """The port base of a stack that was started; None if there is none, or if its file is damaged."""
    try:
        base = json.loads((state / "stack.json").read_text())["base"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return base if isinstance(base, int) else None


def stored_brokers(state: Path) -> int | None:
    """How many brokers have data in `state`: 1, or 3. None if there is no data."""
    if any((state / name).exists() for name in BROKERS[1:]):
        return len(BROKERS)
    return 1 if (state / BROKERS[0]).exists() else None


def wipe(stack: Stack) -> None:
    """Delete the data, the logs and the passwords of a stack that does not run."""
    postgres_programs.forget(stack.state)
    for folder in FOLDERS:
        shutil.rmtree(stack.state / folder, ignore_errors=True)
    for pattern in FILES:
        for file in stack.state.glob(pattern):
            file.unlink(missing_ok=True)


def data_files(state: Path) -> list[Path]:
    """The files with the data, the logs and the secrets of a stack. The folder may have other files beside them."""
    folders = [file for folder in FOLDERS for file in (state / folder).rglob("*")]
    beside = [file for pattern in FILES for file in state.glob(pattern)]
    return sorted(file for file in (*folders, *beside) if file.is_file())


@contextmanager
def alone(stack: Stack) -> Iterator[None]:
    """Only one command at a time changes a stack. Raises UserError while another one does."""
    try:
        paths.make_private(stack.state)
        file = (stack.state / "lock").open("w")
    except PermissionError as error:
        raise UserError(
            f"{error.filename} is another user's: run this command as that user, "
            "or choose a folder of your own with SHOP_STATE."
        ) from None
    with file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"Another command is starting or stopping the stack in {stack.state}: wait until it has ended."
            ) from None
        yield
