"""PostgreSQL and Kafka in containers, for tests: SHOP_STACK=containers.

Needs a container engine. Ryuk removes containers that a killed test run left. Where its image cannot be pulled, set
TESTCONTAINERS_RYUK_DISABLED=true.
"""

from __future__ import annotations

import asyncio
import secrets
from functools import cached_property

import asyncpg
from testcontainers.core.container import DockerContainer

from shop_stack import paths, postgres, topics
from shop_stack.loops import in_own_loop

POSTGRES_IMAGE = "postgres:18"
KAFKA_IMAGE = "apache/kafka:4.3.1"

ADVERTISED = "/tmp/advertised"
# A client connects again to the address that the broker advertises. It is known only when the container runs.
START_WHEN_TOLD = f"""
    until [ -s {ADVERTISED} ]; do sleep 0.1; done
    export KAFKA_ADVERTISED_LISTENERS="PLAINTEXT://$(cat {ADVERTISED})"
    exec /etc/kafka/docker/run
"""
KAFKA_ENVIRONMENT = {
    # One node is broker and controller. It does not create topics automatically.
    "KAFKA_NODE_ID": "1",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
    "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
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
        password = secrets.token_urlsafe(18)
        container = DockerContainer(POSTGRES_IMAGE).with_env("POSTGRES_PASSWORD", password)
        container.with_exposed_ports(5432)
        container.with_command("postgres -c fsync=off -c synchronous_commit=off -c max_connections=300")
        self._start(container)
        host, port = container.get_container_host_ip(), int(container.get_exposed_port(5432))
        server = postgres.Server(host, port, password)
        in_own_loop(_opened(server))
        return server

    @cached_property
    def kafka(self) -> str:
        # testcontainers' own KafkaContainer defaults to an image with ZooKeeper.
        container = DockerContainer(KAFKA_IMAGE).with_exposed_ports(9092)
        container.with_command(["sh", "-c", START_WHEN_TOLD])
        for name, value in KAFKA_ENVIRONMENT.items():
            container.with_env(name, value)
        self._start(container)
        address = f"{container.get_container_host_ip()}:{container.get_exposed_port(9092)}"
        container.exec(["sh", "-c", f"echo {address} > {ADVERTISED}"])
        in_own_loop(topics.declare(address, topics.declared(paths.contracts()), patience=300))
        return address

    def _start(self, container: DockerContainer) -> None:
        container.start()
        self._running.append(container)

    def close(self) -> None:
        for container in reversed(self._running):
            container.stop()


async def _opened(server: postgres.Server) -> None:
    """Wait for the server, then revoke public access to its databases. It does not listen on TCP until it is set up."""
    async with asyncio.timeout(300):
        while True:
            try:
                return await postgres.close_shared_databases(server)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.1)
