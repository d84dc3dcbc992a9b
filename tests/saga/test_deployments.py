"""A release is deployed and rolled back while customers order and read: no request fails, and no order is lost.

`make test-deployments` does the same with each service, repeatedly.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from shop_lab.experiments import shutdown
from shop_stack import deployments, venvs
from testkit.release_copies import copied_release

pytestmark = pytest.mark.long

SERVICE = "orders"


async def test_a_service_that_is_deployed_and_rolled_back_under_load_fails_no_request(
    floor: Any, tmp_path: Path
) -> None:
    stack = floor.stack
    ports = {name: (stack.ports.service(name),) for name in stack.services}
    with copied_release(SERVICE, tmp_path) as release:
        await venvs.ensure(release.project)
        try:
            async with shutdown.visited(floor.target, ports) as crowd:
                outcomes = [
                    await deployments.deploy(stack, release),
                    await deployments.rollback(stack, SERVICE),
                ]
        finally:
            if deployments.deployed(stack):
                await deployments.deploy(stack, deployments.clone(SERVICE))
    assert [(outcome.now.is_clone, outcome.gap) for outcome in outcomes] == [(False, ""), (True, "")]
    assert sum(client.answers for client in crowd) > 0
    assert sum((client.failures for client in crowd), Counter[str]()) == {}
    assert sum(client.refused for client in crowd) == 0
    await floor.assert_that_the_oracle_holds()
