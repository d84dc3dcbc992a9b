"""The labs of docs/labs/independent-deploys, done as they are printed, one after the other in one clone.

After each section the check is asked. It names the step that comes next, and passes behind the last one.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shop.labs.pages import find
from shop_stack.ports import free_base
from tests.labs.following import Learner, learner, sections
from tests.labs.left_out import MISSING

ROOT = Path(__file__).resolve().parents[3]


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
    for section in page:
        someone.do(section)
        if section.title in missing:
            code, sentence = someone.check(lab)
            assert (code, missing[section.title] in sentence) == (1, True), sentence
    assert someone.folder == someone.clone
