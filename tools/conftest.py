"""Fixtures that the tests of the stack and of the command share."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from shop_stack import logins
from shop_stack.ports import SERVICES, free_base
from shop_stack.target import NO_ISSUER, Issuer
from testkit import token


@pytest.fixture(autouse=True)
def tokens_without_an_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the tools tokens of the test kit for a target that has no issuer, such as a fake of a service."""
    kept = logins.kept

    def kept_or_made(issuer: Issuer, who: str) -> str | None:
        if issuer != NO_ISSUER:
            return kept(issuer, who)
        role = who if who in (logins.CLERK, logins.OPERATOR) else "customer"
        return token("", who, [role], aud=list(SERVICES))

    monkeypatch.setattr(logins, "kept", kept_or_made)


@pytest.fixture
def base() -> int:
    """The port base of a stack for one test. A shop that runs on this machine keeps its own ports."""
    return free_base()


@pytest.fixture
def taken_port(base: int) -> Iterator[int]:
    """The port of the stack's Kafka, on which another program listens."""
    with socket.socket() as other:
        # A server sets this option, too: closed connections may occupy the port for some time.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", base + 92))
        other.listen()
        yield base + 92
