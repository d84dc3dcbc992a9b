"""Runs a probe (shop_lab.probes) in the environment of a service."""

from __future__ import annotations

import json
from typing import Any

from shop_stack import parts, paths, venvs
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess
from shop_stack.process import run


async def run_probe(name: str, kafka: KafkaAccess, **settings: object) -> dict[str, Any]:
    """Run the probe `name` with this login at Kafka and these settings. Returns its result.

    Raises UserError if it fails.
    """
    python = venvs.service("orders").python
    environment = parts.child_environment(
        {
            "PYTHONPATH": str(paths.repository() / "tools" / "lab" / "src"),
            "PROBE_KAFKA": json.dumps(kafka.client),
        }
    )
    code, output = await run(
        [str(python), "-m", f"shop_lab.probes.{name}", json.dumps(settings)], env=environment
    )
    if code != 0:
        raise UserError(f"The probe {name} failed: {output[-600:]}")
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result
