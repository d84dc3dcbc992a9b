"""Services as their main modules build them. They are not started, and no database and no broker answers them."""

from collections.abc import Callable
from importlib import import_module

import pytest

from chassis.service import Service


@pytest.fixture
def service_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Service]:
    """service_of(name): the service, as its main module builds it."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:x@127.0.0.1:1/nothing")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("PROCESSOR_API_KEY", "no-key")
    return lambda name: import_module(f"{name}.main").create_service()
