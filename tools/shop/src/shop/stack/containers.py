"""PostgreSQL and Kafka in containers, for tests: SHOP_STACK=containers.

Needs a container engine. Where Ryuk (which sweeps up after a killed test run)
cannot be pulled, set TESTCONTAINERS_RYUK_DISABLED=true.
"""

from __future__ import annotations

import secrets
from functools import cached_property

from testcontainers.core.container import DockerContainer
from testcontainers.postgres import PostgresContainer

from shop.stack import places, postgres, topics
from shop.stack.loops import in_own_loop
from shop.stack.ports import free_port

POSTGRES_IMAGE = "postgres:18"
KAFKA_IMAGE = "apache/kafka:4.3.1"


class ContainerStack:
    """Two containers, each started when it is first asked for."""

    def __init__(self) -> None:
        self._running: list[DockerContainer] = []

    @cached_property
    def server(self) -> postgres.Server:
        password = secrets.token_urlsafe(18)
        container = PostgresContainer(
            POSTGRES_IMAGE, username=postgres.SUPERUSER, password=password, driver=None
        )
        container.with_command("postgres -c fsync=off -c synchronous_commit=off -c max_connections=300")
        container.start()
        self._running.append(container)
        host, port = container.get_container_host_ip(), int(container.get_exposed_port(5432))
        server = postgres.Server(host, port, password)
        in_own_loop(postgres.close_shared_databases(server))
        return server

    @cached_property
    def kafka(self) -> str:
        # A client goes on with the address that the broker advertises, so the port must be known beforehand.
        # testcontainers' own KafkaContainer defaults to an image with ZooKeeper.
        port = free_port()
        container = DockerContainer(KAFKA_IMAGE).with_bind_ports(9092, port)
        host = container.get_container_host_ip()
        for name, value in kafka_environment(f"{host}:{port}").items():
            container.with_env(name, value)
        container.start()
        self._running.append(container)
        in_own_loop(topics.declare(f"{host}:{port}", topics.declared(places.contracts()), patience=120))
        return f"{host}:{port}"

    def close(self) -> None:
        for container in reversed(self._running):
            container.stop()


def kafka_environment(advertised: str) -> dict[str, str]:
    """The image's settings for one node that is broker and controller, without auto-created topics."""
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{advertised}",
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
