"""The processes of a stack: how each is started and stopped, and how its readiness is checked."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

import asyncpg

from shop_stack import (
    archive,
    kafka,
    kafka_replicas,
    kafka_users,
    module_databases,
    paths,
    postgres,
    releases,
    rights,
    topics,
    venvs,
)
from shop_stack.deployed import Deployment
from shop_stack.ports import HOST, answers, http_status, require_free
from shop_stack.process import Daemon
from shop_stack.shapes import OF_THE_SAGA
from shop_stack.stack import ISSUER, KAFKA, POSTGRES, PROCESSOR, SPANS, Stack

NOT_FOR_CHILDREN = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
KEYS_FILE = "issuer-keys.json"
"""The file of the issuer's private keys, in the folder of the stack."""
CUSTOMERS_FILE = "issuer-customers.sqlite3"
"""The file of the customers' directory, in the folder of the stack."""
FORWARD_SPANS = "SHOP_FORWARD_SPANS"
"""The variable with the address of another receiver that gets the spans, too."""
READY_PATIENCE = 120.0
"""Seconds. On a busy machine a start may take many times as long as usual."""


async def start_postgres(stack: Stack) -> None:
    data = stack.state / "postgres"
    await postgres.start(stack.daemon(POSTGRES), data, stack.server, wal=archive.to_write(stack))


async def provision_databases(stack: Stack) -> None:
    """Create a database and two roles for each service. Idempotent.

    Raises UserError if the server's data is damaged.
    """
    server = stack.server
    try:
        await postgres.close_shared_databases(server)
        for name in stack.services:
            await postgres.ensure_roles(server, stack.passwords.roles(name))
        for unit in stack.units:
            members = [stack.passwords.roles(name) for name in stack.members(unit)]
            if len(members) == 1:
                await postgres.ensure_database(server, unit, members[0])
            else:
                await module_databases.ensure(server, unit, members)
        if stack.shape.is_single:
            starter, *others = (stack.passwords.roles(name).name for name in OF_THE_SAGA)
            await module_databases.let_act_as(server, starter, others)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise postgres.unusable(error) from error


async def start_kafka(stack: Stack, name: str = KAFKA) -> None:
    """Start one broker, and return when it has caught up with the others.

    The first one of three waits for a second one: two of them elect the controller.
    """
    broker = stack.broker_called(name)
    await kafka.start(stack.daemon(name), broker, paths.cache_folder())
    if stack.brokers > 1:
        await kafka_replicas.until_in_sync(stack.logins.of(rights.STACK), broker.node)


async def provision_kafka(stack: Stack) -> None:
    """Create the topics of the contract, a user for each service and for the oracle, and their rights. Idempotent.

    Raises UserError if the broker refuses.
    """
    contracts = stack.contracts
    await topics.declare(stack.logins.of(rights.STACK), topics.declared(contracts), replicas=stack.brokers)
    await create_users(stack, (*topics.services(contracts), rights.ORACLE))


async def create_users(stack: Stack, principals: Sequence[str]) -> None:
    """Create users of Kafka with the rights that the contract gives them. Idempotent. Raises UserError."""
    wanted = topics.rights_of(stack.contracts, principals)
    users = [stack.logins.of(principal) for principal in principals]
    await kafka_users.ensure(stack.logins.of(rights.STACK), users, wanted)


async def start_spans(stack: Stack) -> None:
    port = stack.ports.spans
    require_free("the spans' receiver", port)
    argv = [
        sys.executable,
        "-m",
        "shop_stack.otlp_receiver",
        "--port",
        str(port),
        "--folder",
        str(stack.spans),
        *("--forward", os.environ.get(FORWARD_SPANS, "")),
    ]
    stack.daemon(SPANS).start(argv, env=child_environment())
    await ready(stack, SPANS)


async def start_processor(stack: Stack) -> None:
    project = venvs.processor()
    require_free("the card processor", stack.ports.processor)
    environment = {
        **child_environment(stack.environment),
        "HTTP_HOST": HOST,
        "HTTP_PORT": str(stack.ports.processor),
        "PROCESSOR_LEDGER": str(stack.state / "ledger.sqlite3"),
        "PROCESSOR_API_KEY": stack.passwords.processor_key,
    }
    argv = [str(project.python), "-m", "processor.main"]
    stack.daemon(PROCESSOR).start(argv, env=environment, cwd=stack.state)
    await ready(stack, PROCESSOR)


async def start_issuer(stack: Stack) -> None:
    project = venvs.issuer()
    require_free("the issuer", stack.ports.issuer)
    secrets = stack.passwords.client_secrets
    environment = {
        **child_environment(stack.environment),
        "HTTP_HOST": HOST,
        "HTTP_PORT": str(stack.ports.issuer),
        "ISSUER_URL": f"http://{HOST}:{stack.ports.unmoved.issuer}",
        "ISSUER_KEYS": str(stack.state / KEYS_FILE),
        "ISSUER_CUSTOMERS": str(stack.state / CUSTOMERS_FILE),
        **{f"ISSUER_{name.upper()}_SECRET": secret for name, secret in secrets.items()},
    }
    argv = [str(project.python), "-m", "issuer.main"]
    stack.daemon(ISSUER).start(argv, env=environment, cwd=stack.state)
    await ready(stack, ISSUER)


async def start_service(stack: Stack, name: str) -> None:
    """Start one service whose database is migrated, and return when it is ready."""
    require_free(name, stack.ports.service(name))
    require_free(f"the management port of {name}", stack.ports.management(name))
    # A process that was killed has left it.
    (stack.state / stack.deployment(name).handover_socket).unlink(missing_ok=True)
    launch_service(stack, name)
    await ready(stack, name)


def launch_service(stack: Stack, name: str, more: Mapping[str, str] | None = None) -> None:
    """Start the process of one service whose database is migrated. Do not wait for it. `more` are further variables."""
    stack.secret_files(name).write(stack.passwords)
    deployment = stack.deployment(name)
    environment = {
        **service_environment(stack, name, deployment),
        "HTTP_HANDOVER_SOCKET": deployment.handover_socket,
        **(more or {}),
    }
    stack.daemon(name).start(deployment.now.command, env=environment, cwd=stack.state)


def service_environment(stack: Stack, name: str, deployment: Deployment | None = None) -> dict[str, str]:
    """The environment of a service: its own database, Kafka, its ports, and the receiver of its spans.

    It has no password. The service reads its passwords from `stack.secret_files`. `deployment` is the release that the
    stack runs, if none is given.
    """
    login = replace(stack.logins.of(name), password="")
    deployment = deployment or stack.deployment(name)
    return {
        **child_environment(stack.environment),
        **releases.environment_of_release(deployment.now),
        "DATABASE_URL": stack.server.url(stack.database_of(name), stack.passwords.roles(name).name),
        **login.environment,
        **stack.secret_files(name).environment,
        "OIDC_ISSUER": stack.url(ISSUER),
        "SHOP_SAGA": stack.shape.saga,
        "SHOP_TX": stack.shape.tx_of(name),
        "KAFKA_GROUP_INSTANCE_ID": f"{name}-{deployment.slot}",
        "HTTP_HOST": HOST,
        "HTTP_PORT": str(stack.ports.service(name)),
        "HTTP_MANAGEMENT_HOST": HOST,
        "HTTP_MANAGEMENT_PORT": str(stack.ports.management(name)),
        "OTEL_SERVICE_NAME": name,
        "OTEL_EXPORTER_OTLP_ENDPOINT": stack.url(SPANS),
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        **_outside_systems(stack, name),
    }


def _outside_systems(stack: Stack, name: str) -> dict[str, str]:
    """The address of the outside system that a service calls, and the service's login there."""
    match name:
        case "payments":
            return {
                "PROCESSOR_URL": stack.url(PROCESSOR),
                "PROCESSOR_API_KEY": stack.passwords.processor_key,
            }
        case "notifications":
            return {
                "DIRECTORY_URL": f"{stack.url(ISSUER)}/scim/v2",
                "DIRECTORY_CLIENT_SECRET": stack.passwords.client_secrets[name],
            }
        case _:
            return {}


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment, without variables that would change from where a child imports its code."""
    kept = {name: value for name, value in os.environ.items() if name not in NOT_FOR_CHILDREN}
    # By default malloc has several arenas per process, which would use megabytes without need.
    return {**kept, "PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2", **(extra or {})}


async def ready(stack: Stack, name: str, patience: float = READY_PATIENCE) -> None:
    """Return when the part is ready. Raises UserError if it ends, or if it is not ready after `patience` seconds."""
    daemon = stack.daemon(name)
    await daemon.until_ready(
        lambda: is_ready(stack, name),
        patience,
        ended=lambda: f"{name} ended right after its start ({last_words(daemon)}): see `shop logs {name}`.",
        late=f"{name} was not ready after {patience:.0f} s: see `shop logs {name}`.",
    )


async def is_ready(stack: Stack, name: str) -> bool:
    """Whether the part can do its work now."""
    port = stack.port_of(name)
    match name:
        case "postgres" | "kafka" | "kafka-2" | "kafka-3":
            return await answers(port)
        case "spans":
            return await http_status(port, "/livez") == 200
        case "processor" | "issuer":
            return await http_status(port, "/readyz") == 200
        case _:
            ports = [stack.ports.management(service) for service in stack.members(name)]
            return all([await http_status(each, "/readyz?require=all") == 200 for each in ports])


def last_words(daemon: Daemon) -> str:
    """The last line of a process's log."""
    lines = [line for line in daemon.tail(5).splitlines() if line.strip()]
    return lines[-1].strip()[-200:] if lines else "its log is empty"
