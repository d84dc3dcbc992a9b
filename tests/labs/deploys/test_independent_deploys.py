"""The labs of docs/labs/independent-deploys, done as they are printed, one after the other in one clone.

After each section the check is asked. It names the step that comes next, and passes behind the last one.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from shop.labs.pages import find
from shop_stack.ports import free_base
from tests.labs.following import Learner, learner, sections

ROOT = Path(__file__).resolve().parents[3]
MISSING: Mapping[str, Mapping[str, str]] = {
    "add-a-field": {
        "Begin": "no notification-sent without `language` was sent",
        "Ask who reads the event, and send an old one": "0 new releases of notifications are in the last commit",
        "The wrong way: require it": "0 new releases of notifications are in the last commit",
        "Release it": "no notification-sent with `language` was sent",
    },
    "remove-a-field": {
        "Begin": "no notification-sent without `accepted_at` was sent",
        "Ask who reads the field": "0 new releases of notifications are in the last commit",
        "The wrong way: remove it": "0 new releases of notifications are in the last commit",
        "Expand: send the successor beside it": "0 new releases of analytics are in the last commit",
    },
    "split-a-column": {
        "Begin": "0 new releases of notifications are in the last commit, and the lab needs 3",
        "The wrong way: rename it in one step": "0 new releases of notifications",
        "Expand: write both, read the new ones where they are filled": "1 new releases of notifications",
        "The wrong way: contract at once": "1 new releases of notifications",
        "Switch: write and read the new columns alone": "2 new releases of notifications",
    },
    "deploy-the-consumer-first": {
        "Begin": "no notification-sent without `language` was sent",
        "The contract comes first": "0 new releases of analytics",
        "The wrong way: rely on the field": "and not 0.9.0: `shop deploy analytics 0.9.0`",
        "The right way: read it where it is": "0 new releases of notifications",
    },
    "roll-back-with-messages-in-flight": {
        "Begin": "0 new releases of notifications",
        "Release a fault": "notifications has given up on no message yet",
        "The wrong way: deploy it all the same": "notifications still runs 0.9.0",
        "The right way: roll back, while orders arrive": "open dead letters",
    },
}
"""Lab → section → what is missing when the reader ends there."""


@pytest.fixture(scope="module")
def someone() -> Iterator[Learner]:
    with tempfile.TemporaryDirectory(prefix="shop-labs-") as folder:
        person = learner(ROOT, Path(folder), int(os.environ.get("SHOP_PORT_BASE", free_base())))
        try:
            yield person
        finally:
            person.end()


@pytest.mark.parametrize("name", MISSING)
def test_a_lab_done_as_it_is_written_passes_and_names_each_step_that_is_left_out(
    someone: Learner, name: str
) -> None:
    someone.folder = someone.clone  # the lab before may have failed in its own clone
    lab = find(ROOT, f"independent-deploys/{name}")
    missing = MISSING[name]
    page = sections((ROOT / lab.page).read_text())
    assert set(missing) < {section.title for section in page}
    for section in page:
        someone.do(section)
        if section.title in missing:
            code, sentence = someone.check(lab)
            assert (code, missing[section.title] in sentence) == (1, True), sentence
    assert someone.folder == someone.clone
