"""A shop in containers: the project of docker-compose.yml. It is reached with `docker compose` alone.

Docker's variable COMPOSE_FILE names another file: deploy/compose/monolith.yml has all services in one container.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess
from shop_stack.outside import NO_KAFKA, mirrored_spans, monolith_with, output_of, program
from shop_stack.passwords import ISSUER_CLIENTS
from shop_stack.paths import repository
from shop_stack.ports import HOST, SERVICES
from shop_stack.rights import ORACLE
from shop_stack.shapes import MONOLITH, Shape
from shop_stack.target import Issuer, Target, TargetMissing

HTTP_PORT, MANAGEMENT_PORT, KAFKA_PORT, POSTGRES_PORT = 8000, 9000, 9092, 5432
"""The ports inside of the containers. Docker publishes each at a port of this machine."""
CA_CERTIFICATE = "/run/kafka/ca.crt"
"""The file inside of the containers with the certificate of the CA that signs the broker's."""
ADD_MODULE = (
    "add it to deploy/compose/monolith.yml, its Dockerfile and its settings, or use docker-compose.yml "
    "(`unset COMPOSE_FILE`)."
)
START = "Start one with `docker compose up --build --wait`."


def docker(*arguments: str) -> str:
    """Run docker in the repository and return its output. Raises UserError with docker's own message."""
    asked = f"docker {' '.join(arguments[:3])}"
    return output_of([program("docker"), *arguments], asked, cwd=repository())


@contextmanager
def connect(state: Path, contracts: Path) -> Iterator[Target]:
    """The shop in containers, for as long as the context lasts.

    Raises TargetMissing if there is no docker, no engine or no shop on it.
    """
    try:
        ports = published_ports()
        config = json.loads(docker("compose", "config", "--format", "json"))
    except UserError as error:
        first_line = str(error).splitlines()[0]  # a docker without Compose prints its whole help
        raise TargetMissing(f"No container engine answers ({first_line}). Is it running?") from None
    shape = _shape(config)
    brokers = ("kafka",) if shape.has_kafka else ()
    needed = (*shape.units, "processor", "issuer", *brokers, "postgres")
    if missing := [name for name in needed if name not in ports]:
        raise TargetMissing(f"The shop in containers is not complete: {', '.join(missing)} missing. {START}")
    # The history of an older shop must not be compared with the data of a new one.
    state = state / _age_of_data(config)
    _copy_spans(state / "spans")
    kafka = _oracle_login(config, ports["kafka"][KAFKA_PORT], state) if brokers else NO_KAFKA
    with mirrored_spans(state / "spans", partial(_copy_spans, state / "spans")):
        yield Target(
            name="compose",
            service_urls=_addresses(shape, ports, HTTP_PORT),
            management_urls=_addresses(shape, ports, MANAGEMENT_PORT),
            processor_url=f"http://{HOST}:{ports['processor'][HTTP_PORT]}",
            kafka=kafka,
            database_urls={
                name: _owner_url(config, name, ports["postgres"][POSTGRES_PORT]) for name in SERVICES
            },
            spans=state / "spans",
            contracts=contracts,
            state=state,
            issuer=_issuer(config, ports["issuer"][HTTP_PORT]),
            processor_key=config["services"]["processor"]["environment"]["PROCESSOR_API_KEY"],
            shape=shape,
        )


def _shape(config: Mapping[str, Any]) -> Shape:
    """The shape of the shop in a file of Compose. Raises TargetMissing if a monolith lacks a service."""
    if MONOLITH not in config["services"]:
        return Shape()
    modules = config["services"][MONOLITH]["environment"]["LOCAL_MODULES"]
    return monolith_with(modules, "in containers", ADD_MODULE)


def _addresses(shape: Shape, ports: Mapping[str, Mapping[int, int]], inside: int) -> dict[str, str]:
    """Service → HTTP address. In a container of its own it listens at the port `inside`, and as the nth module of a
    group at the nth port above.
    """
    places = {
        name: (unit, inside if unit == name else inside + number)
        for unit in shape.units
        for number, name in enumerate(shape.members(unit), 1)
    }
    return {name: f"http://{HOST}:{ports[unit][port]}" for name, (unit, port) in places.items()}


def published_ports() -> dict[str, dict[int, int]]:
    """Running service → port inside of the container → published port of this machine."""
    lines = docker("compose", "ps", "--format", "json").splitlines()
    return {
        container["Service"]: {
            way["TargetPort"]: way["PublishedPort"]
            for way in container["Publishers"] or ()
            if way["PublishedPort"]
        }
        for container in map(json.loads, lines)
        if container["State"] == "running"
    }


def _owner_url(config: Mapping[str, Any], name: str, port: int) -> str:
    url: str = config["services"][f"{name}-migrations"]["environment"]["MIGRATION_DATABASE_URL"]
    return url.replace("@postgres:5432/", f"@{HOST}:{port}/")


def _oracle_login(config: Mapping[str, Any], port: int, state: Path) -> KafkaAccess:
    """The oracle's login at the published port. The CA's certificate is copied into `state`."""
    state.mkdir(parents=True, exist_ok=True)
    cafile = state / "kafka-ca.crt"
    docker("compose", "cp", f"kafka:{CA_CERTIFICATE}", str(cafile))
    password = config["services"]["topics"]["environment"][f"{ORACLE.upper()}_KAFKA_PASSWORD"]
    return KafkaAccess(f"{HOST}:{port}", ORACLE, password, cafile=cafile)


def _issuer(config: Mapping[str, Any], port: int) -> Issuer:
    """The issuer, as this machine reaches it."""
    environment: Mapping[str, str] = config["services"]["issuer"]["environment"]
    secrets = {name: environment[f"ISSUER_{name.upper()}_SECRET"] for name in ISSUER_CLIENTS}
    return Issuer(f"http://{HOST}:{port}", secrets)


def _age_of_data(config: Mapping[str, Any]) -> str:
    """A name that changes when the database volume is created anew."""
    volume = config["volumes"]["postgres"]["name"]
    made = docker("volume", "inspect", "--format", "{{.Name}} {{.CreatedAt}}", volume)
    return hashlib.sha256(made.encode()).hexdigest()[:8]


def _copy_spans(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(UserError, TargetMissing):
        docker("compose", "cp", "spans:/spans/.", str(folder))
