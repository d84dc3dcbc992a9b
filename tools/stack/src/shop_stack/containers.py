"""PostgreSQL and Kafka in containers, for tests: SHOP_STACK=containers.

Needs a container engine. Ryuk removes containers that a killed test run left. Where its image cannot be pulled, set
TESTCONTAINERS_RYUK_DISABLED=true.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cached_property

import asyncpg
from testcontainers.core.container import DockerContainer

from shop_stack import kafka_security, postgres
from shop_stack.kafka_access import KafkaLogins
from shop_stack.kafka_security import CLIENTS, CONTROLLER
from shop_stack.loops import in_own_loop
from shop_stack.passwords import KAFKA_PRINCIPALS, new_password
from shop_stack.rights import STACK
from shop_stack.servers import provision_kafka

POSTGRES_IMAGE = "postgres:18"
KAFKA_IMAGE = "apache/kafka:4.3.1"

ADVERTISED = "/tmp/advertised"
# A client connects again to the address that the broker advertises. It is known only when the container runs.
START_WHEN_TOLD = f"""
    until [ -s {ADVERTISED} ]; do sleep 0.1; done
    export KAFKA_ADVERTISED_LISTENERS="{CLIENTS}://$(cat {ADVERTISED})"
    exec /etc/kafka/docker/run
"""
KAFKA_ENVIRONMENT = {
    # One node is broker and controller. It does not create topics automatically.
    "KAFKA_NODE_ID": "1",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
    "KAFKA_LISTENERS": f"{CLIENTS}://:9092,{CONTROLLER}://:9093",
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
}


class ContainerStack:
    """Two containers. Each is started at its first use."""

    def __init__(self) -> None:
        self._running: list[DockerContainer] = []

    @cached_property
    def server(self) -> postgres.Server:
        password = new_password()
        container = DockerContainer(POSTGRES_IMAGE).with_env("POSTGRES_PASSWORD", password)
        container.with_exposed_ports(5432)
        container.with_command("postgres -c fsync=off -c synchronous_commit=off -c max_connections=300")
        self._start(container)
        host, port = container.get_container_host_ip(), int(container.get_exposed_port(5432))
        server = postgres.Server(host, port, password)
        in_own_loop(_opened(server))
        return server

    @cached_property
    def logins(self) -> KafkaLogins:
        passwords = {principal: new_password() for principal in KAFKA_PRINCIPALS}
        # testcontainers' own KafkaContainer defaults to an image with ZooKeeper.
        container = DockerContainer(KAFKA_IMAGE).with_exposed_ports(9092)
        container.with_command(["sh", "-c", START_WHEN_TOLD])
        security = in_variables(kafka_security.properties(passwords[STACK]))
        for name, value in {**KAFKA_ENVIRONMENT, **security}.items():
            container.with_env(name, value)
        self._start(container)
        address = f"{container.get_container_host_ip()}:{container.get_exposed_port(9092)}"
        container.exec(["sh", "-c", f"echo {address} > {ADVERTISED}"])
        logins = KafkaLogins(address, passwords)
        in_own_loop(provision_kafka(logins, patience=300))
        return logins

    def _start(self, container: DockerContainer) -> None:
        container.start()
        self._running.append(container)

    def close(self) -> None:
        for container in reversed(self._running):
            container.stop()


def in_variables(properties: Mapping[str, str]) -> dict[str, str]:
    """The variables from which the image writes these properties: a dot is one underscore, a hyphen is three."""
    return {
        "KAFKA_" + name.replace("_", "__").replace("-", "___").replace(".", "_").upper(): value
        for name, value in properties.items()
    }


async def _opened(server: postgres.Server) -> None:
    """Wait for the server, then revoke public access to its databases. It does not listen on TCP until it is set up."""
    async with asyncio.timeout(300):
        while True:
            try:
                return await postgres.close_shared_databases(server)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.1)
