"""A part that listens on another port, because a proxy listens on its own one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from shop_stack import embedded, kafka
from shop_stack.ports import SERVICES, Ports

PORT = 5


@pytest.mark.parametrize("part", ["postgres", "kafka", "kafka-2", "processor", "issuer", *SERVICES])
def test_only_the_part_that_was_moved_has_another_port(part: str) -> None:
    ports = Ports(28000)
    moved = ports.moving(part, PORT)
    assert {**ports.all(), part: PORT} == moved.all()
    assert moved.unmoved == ports


def test_a_broker_that_was_moved_names_its_own_port_to_its_clients(tmp_path: Path) -> None:
    stack = embedded.stack(tmp_path, 28000)
    moved = replace(stack, ports=stack.ports.moving("kafka", PORT))
    for each, port in ((stack, stack.ports.kafka), (moved, PORT)):
        lines = kafka.write_properties(each.broker).read_text().splitlines()
        assert f"advertised.listeners=CLIENTS://127.0.0.1:{stack.ports.kafka}" in lines
        assert any(line.startswith(f"listeners=CLIENTS://127.0.0.1:{port},") for line in lines)
