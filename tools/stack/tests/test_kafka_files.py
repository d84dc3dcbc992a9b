"""The files of the broker: the archive of its classes, and a data folder on any path."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import struct
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.conn import create_conn
from aiokafka.errors import SaslAuthenticationFailed

from shop_stack import kafka, kafka_archive, kafka_security, kafka_users, rights, topics
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess, KafkaLogins
from shop_stack.paths import cache_folder
from shop_stack.ports import free_port
from shop_stack.process import Daemon
from shop_stack.rights import LAB, STACK
from shop_stack.topics import Topic

pytestmark = pytest.mark.long

WITHOUT_LOGINS = {
    "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "CLIENTS",
}
"""How an older release secured its listeners: not at all."""
METADATA_REQUEST = struct.pack(">hhihi?", 3, 4, 1, -1, -1, False)
"""Version 4 of the request, with the correlation id 1, without a client id, for all topics."""


def one_filesystem_per_folder(file: Path, target: Path) -> Path:
    """Path.replace where each folder is a filesystem of its own."""
    if file.parent != target.parent:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    return file.rename(target)


async def test_the_archive_of_classes_reaches_a_cache_on_another_filesystem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "kafka-1.aot").write_bytes(b"classes")
    monkeypatch.setattr(Path, "replace", one_filesystem_per_folder)
    await kafka.stop(Daemon("kafka", state), tmp_path / "cache")
    assert {path.name: path.read_bytes() for path in (tmp_path / "cache").iterdir()} == {
        "kafka-1.aot": b"classes"
    }
    assert list(state.iterdir()) == []


async def test_a_cache_that_cannot_be_written_does_not_fail_a_stop(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "kafka-1.aot").touch()
    (tmp_path / "cache").touch()
    await kafka.stop(Daemon("kafka", state), tmp_path / "cache")
    assert list(state.iterdir()) == []


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
async def test_a_broker_keeps_its_log_in_a_folder_of_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locale: str
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    state = tmp_path / "é, ü\\n"
    daemon = Daemon("kafka", state)
    broker = kafka.Broker(free_port(), free_port(), state / "kafka", "secret")
    identities = set()
    for _ in range(2):
        await kafka.start(daemon, broker, cache_folder())
        await daemon.kill()
        identities.add((broker.data / "meta.properties").read_text())
    assert len(identities) == 1
    assert [path.name for path in tmp_path.iterdir()] == [state.name]
    assert {path.name for path in state.iterdir()} >= {"kafka", "kafka.properties"}


async def test_a_format_that_fails_removes_no_topic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object, **__: object) -> tuple[int, str]:
        return 1, "already formatted"

    segment = tmp_path / "kafka" / "orders.order.v1-0" / "00000000000000000000.log"
    segment.parent.mkdir(parents=True)
    segment.write_bytes(b"events")
    monkeypatch.setattr(kafka, "run", fails)
    monkeypatch.setattr(kafka, "classpath", no_jars)
    broker = kafka.Broker(free_port(), free_port(), tmp_path / "kafka", "secret")
    with pytest.raises(UserError, match="already formatted"):
        await kafka.start(Daemon("kafka", tmp_path), broker, tmp_path)
    assert segment.read_bytes() == b"events"


async def test_an_archive_that_ends_the_jvm_is_deleted_so_that_the_next_start_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    (tmp_path / "release").touch()
    java.write_text("#!/bin/sh\nprintf '#\\n# A fatal error has been detected.\\n#\\n'; kill -BUS $$\n")
    java.chmod(0o755)
    monkeypatch.setattr(kafka, "classpath", no_jars)
    monkeypatch.setattr(kafka, "java", lambda: java)
    archive = tmp_path / kafka_archive.name([str(java), *kafka.SMALL_JVM, *kafka.more_options()], "")
    archive.touch()
    broker = kafka.Broker(free_port(), free_port(), tmp_path / "kafka", "secret")
    with pytest.raises(UserError, match=r"A fatal error has been detected\. Try again\.$"):
        await kafka.start(Daemon("kafka", tmp_path), broker, tmp_path)
    assert not archive.exists()


async def no_jars(cache: Path) -> str:
    return ""


async def test_a_broker_demands_a_login_on_each_listener_and_keeps_the_data_of_an_older_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = Daemon("kafka", tmp_path)
    broker = kafka.Broker(free_port(), free_port(), tmp_path / "kafka", "secret")
    with monkeypatch.context() as older_release:
        older_release.setattr(kafka_security, "properties", lambda _: WITHOUT_LOGINS)
        await kafka.start(daemon, broker, cache_folder())
    without_login = KafkaAccess(broker.bootstrap)
    await topics.declare(without_login, [Topic("kept.v1", 1, {"cleanup.policy": "delete"})])
    async with AIOKafkaProducer(**without_login.client, acks="all") as producer:
        await producer.send_and_wait("kept.v1", b"kept")
    await daemon.kill()  # a stop would first write an archive of classes
    try:
        await kafka.start(daemon, broker, cache_folder())
        logins = KafkaLogins(broker.bootstrap, {STACK: "secret", LAB: "lab-secret"})
        await kafka_users.ensure(logins.of(STACK), [logins.of(LAB)], rights.lab_rights())
        async with AIOKafkaConsumer(
            "kept.v1", **logins.of(LAB).client, auto_offset_reset="earliest"
        ) as consumer:
            assert (await consumer.getone()).value == b"kept"
        assert stat.S_IMODE((tmp_path / "kafka.properties").stat().st_mode) == 0o600
        for port in (broker.port, broker.controller_port):
            assert await answer_without_login(port) == "closes the connection"
            assert await answer_to_wrong_password(port) == "refuses the login"
    finally:
        await daemon.kill()


async def answer_without_login(port: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(struct.pack(">i", len(METADATA_REQUEST)) + METADATA_REQUEST)
        return "answers" if await reader.read(1) else "closes the connection"
    finally:
        writer.close()


async def answer_to_wrong_password(port: int) -> str:
    try:
        connection = await create_conn(
            "127.0.0.1",
            port,
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="PLAIN",
            sasl_plain_username=STACK,
            sasl_plain_password="wrong",
        )
    except SaslAuthenticationFailed:
        return "refuses the login"
    connection.close()
    return "accepts the login"
