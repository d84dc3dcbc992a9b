"""Drills of alerts: each fault is seen by a real Prometheus, which `make test-alerts` builds."""

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.runbooks.drills.alerts.alarms import Drill, watched
from tests.runbooks.drills.shop import Shop

# `make test-alerts` sets it: they take half an hour, and Prometheus is built with Go.
collect_ignore_glob = [] if os.environ.get("SHOP_ALERT_DRILLS") == "1" else ["test_*.py"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "alerts(*names): the alerts that this drill sees fire and resolve")


@pytest_asyncio.fixture
async def drill(request: pytest.FixtureRequest, shop: Shop) -> AsyncIterator[Drill]:
    """The alerts that the test's mark names, of which none fires at the beginning."""
    mark = request.node.get_closest_marker("alerts")
    assert mark is not None, "name the alerts: @pytest.mark.alerts(...)"
    async with watched(shop) as alarms:
        drill = Drill(shop, mark.args, alarms)
        await drill.are_quiet()
        yield drill
