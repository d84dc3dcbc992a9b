"""Releases with a planted skew bug: N of orders writes a property that N−1 of notifications refuses.

The contract allows both: a property may be added, and a reader ignores what it does not know. N−1 of notifications
breaks the second rule, as `extra="forbid"` does. N of it ignores the property.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from shop_lab.skew.pairs import Pair
from shop_stack.deployments import Deployed, clone
from shop_stack.ports import SERVICES
from testkit.release_copies import add_migration, copied_release

WRITER, READER = "orders", "notifications"
WRITTEN = ("    confirmed_at: datetime\n", '    confirmed_at: datetime\n    channel: str = "web"\n')
READ = (
    "    order_id: UUID\n    customer_id: str\n    total: Money\n",
    '    model_config = ConfigDict(extra="forbid")\n\n'
    "    order_id: UUID\n    version: int\n    customer_id: str\n    total: Money\n    confirmed_at: datetime\n",
)


@contextmanager
def pairs_with_bug(folder: Path) -> Iterator[dict[str, Pair]]:
    """Service → its two releases. N−1 is the clone, and N a copy of it, except for what is planted.

    N of orders has one more migration, so that the schemas differ.
    """
    with ExitStack() as stack:
        pairs = {}
        for service in SERVICES:
            new = stack.enter_context(copied_release(service, folder / f"{service}-new", "0.2.0"))
            pairs[service] = Pair(clone(service), new)
        add_migration(pairs[WRITER].new)
        replace_in_events(pairs[WRITER].new, *WRITTEN)
        strict = stack.enter_context(copied_release(READER, folder / f"{READER}-old", "0.1.0"))
        forbid_unknown_properties(strict)
        pairs[READER] = Pair(strict, pairs[READER].new)
        yield pairs


def forbid_unknown_properties(release: Deployed) -> None:
    """Have the notifications service refuse a confirmation that has a property which it does not know."""
    replace_in_events(release, *READ)
    replace_in_events(
        release,
        "from chassis.events import",
        "from pydantic import ConfigDict\n\nfrom chassis.events import",
    )


def replace_in_events(release: Deployed, old: str, new: str) -> None:
    """Replace the first occurrence of a text in the service's `events.py`. Fails if there is none."""
    file = release.folder / "services" / release.service / "src" / release.service / "events.py"
    text = file.read_text()
    assert old in text, f"{file} has no {old!r}"
    file.write_text(text.replace(old, new, 1))
    shutil.rmtree(file.parent / "__pycache__", ignore_errors=True)
