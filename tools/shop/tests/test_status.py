"""`shop status`, for people and for machines."""

from __future__ import annotations

import json
from pathlib import Path

from shop.commands.status import facts, table
from shop_stack import embedded
from shop_stack.parts import INFRASTRUCTURE


async def test_the_status_of_a_stopped_stack_says_so_for_people_and_machines(tmp_path: Path) -> None:
    found = await embedded.status(embedded.stack(tmp_path, 28000))
    assert json.loads(json.dumps(facts(found)))["ready"] is False
    assert [part["state"] for part in facts(found)["parts"]] == ["stopped"] * 9
    assert table(found).row_count == len(INFRASTRUCTURE) + 5
