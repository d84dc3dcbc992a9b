"""If the saga is one transaction, no order waits for its end, so no job cancels overdue orders."""

from typing import Any

import pytest

from orders.main import create_service
from orders.settings import Settings

URL = "postgresql://orders:secret@127.0.0.1:1/monolith"


@pytest.mark.parametrize(("tx", "is_run"), [("steps", True), ("single", False)])
def test_the_deadline_is_watched_only_if_an_order_can_be_pending(tx: str, is_run: bool) -> None:
    settings: dict[str, Any] = {
        "database_url": URL,
        "kafka_bootstrap_servers": "none",
        "local_modules": "orders,inventory,payments",
        "SHOP_TX": tx,
    }
    tasks = create_service(Settings.model_validate(settings)).runtime.tasks
    assert ("cancel-overdue-orders" in tasks) is is_run
