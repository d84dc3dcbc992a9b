"""What a stack consists of: its parts, its ports, its files and its logins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shop_stack import kafka, passwords, postgres, rights
from shop_stack.deployed import Deployment
from shop_stack.deployed import read as deployment_of
from shop_stack.kafka_access import KafkaLogins
from shop_stack.passwords import Passwords
from shop_stack.ports import BROKERS, HOST, SERVICES, Ports
from shop_stack.process import Daemon
from shop_stack.secret_files import SecretFiles
from shop_stack.shapes import Shape, contracts_of
from shop_stack.target import Issuer

POSTGRES, KAFKA, SPANS, PROCESSOR, ISSUER = "postgres", "kafka", "spans", "processor", "issuer"
INFRASTRUCTURE = (POSTGRES, KAFKA, SPANS, PROCESSOR, ISSUER)
MORE_BROKERS = BROKERS[1:]
EVERYTHING = (*INFRASTRUCTURE, *MORE_BROKERS, *SERVICES)


@dataclass(frozen=True)
class Stack:
    """A whole shop on this machine: the services, and the parts that they need."""

    state: Path
    """Folder of its data, logs and pid files."""
    ports: Ports
    services: tuple[str, ...] = SERVICES
    """The services of this stack: all of them, unless a test needs fewer."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables for the services and the processor, in addition to those that the stack sets."""
    brokers: int = 1
    """How many brokers of Kafka it has: 1, or 3. None runs if there is one group of services."""
    shape: Shape = field(default_factory=Shape)
    """Which services share a process and a database."""

    def daemon(self, name: str) -> Daemon:
        return Daemon(name, self.state)

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of its processes."""
        infrastructure = [name for name in INFRASTRUCTURE if name != KAFKA or self.shape.has_kafka]
        return (*infrastructure, *self.broker_names[1:], *self.units)

    @property
    def units(self) -> tuple[str, ...]:
        """The names of the processes of its services. A service that shares its process with none has its own name."""
        return self.services if self.shape.is_five_services else self.shape.units

    def members(self, unit: str) -> tuple[str, ...]:
        """The services of a process; () for a part that is no service."""
        if unit in self.services:
            return (unit,)
        return self.shape.members(unit)

    def port_of(self, part: str) -> int:
        """The port of a part. A process of several services is known by that of its first one."""
        members = self.members(part)
        return self.ports.all()[members[0] if members else part]

    def database_of(self, service: str) -> str:
        """The name of the database that a service has, alone or with others."""
        return self.shape.unit_of(service)

    def processes(self) -> dict[str, str]:
        """Part → its process, as `pid@start`: another process in its place has another text. Empty if it does not run.

        The start is in seconds since 1970.
        """
        running = {name: self.daemon(name).process() for name in self.parts}
        return {
            name: f"{process.pid}@{process.create_time()}" if process else ""
            for name, process in running.items()
        }

    @property
    def broker_names(self) -> tuple[str, ...]:
        """The names of its brokers."""
        return BROKERS[: self.brokers] if self.shape.has_kafka else ()

    def deployment(self, service: str) -> Deployment:
        """The release that it runs of a service."""
        return deployment_of(self.state, service)

    @property
    def contracts(self) -> Path:
        """The folder of the contracts that hold for its saga."""
        return contracts_of(self.shape)

    @property
    def passwords_file(self) -> Path:
        return self.state / "passwords.json"

    @property
    def passwords(self) -> Passwords:
        return passwords.load_or_make(self.passwords_file)

    def secret_files(self, service: str) -> SecretFiles:
        """The files from which a service reads its passwords."""
        return SecretFiles(self.state / "secrets", service)

    @property
    def issuer(self) -> Issuer:
        """The issuer of tokens, as the tools reach it."""
        return Issuer(self.url(ISSUER), self.passwords.client_secrets)

    @property
    def server(self) -> postgres.Server:
        return postgres.Server(HOST, self.ports.postgres, self.passwords.superuser)

    @property
    def broker(self) -> kafka.Broker:
        """Its first broker."""
        return self.broker_called(KAFKA)

    def broker_called(self, name: str) -> kafka.Broker:
        """The broker of this name."""
        nodes = range(1, self.brokers + 1)
        node = BROKERS.index(name) + 1
        return kafka.Broker(
            self.ports.broker(node),
            self.ports.controller(node),
            self.state / name,
            self.passwords.by_principal[rights.STACK],
            node,
            tuple(self.ports.controller(each) for each in nodes),
            self.ports.unmoved.broker(node),
        )

    @property
    def logins(self) -> KafkaLogins:
        """The logins of the services and tools at the brokers."""
        bootstrap = ",".join(self.broker_called(name).bootstrap for name in self.broker_names)
        return KafkaLogins(bootstrap, self.passwords.by_principal)

    @property
    def spans(self) -> Path:
        return self.state / "spans"

    def url(self, name: str) -> str:
        """The HTTP address of a part."""
        return f"http://{HOST}:{self.ports.all()[name]}"

    def management_url(self, service: str) -> str:
        """The HTTP address of a service's probes, metrics and admin API."""
        return f"http://{HOST}:{self.ports.management(service)}"
