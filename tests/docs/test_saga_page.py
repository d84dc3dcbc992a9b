"""The page of the orchestrated saga shows what its definition says."""

from dataclasses import replace

import pytest

from orders.orchestrator.definition import PLACE_ORDER, Definition
from tools.docs import saga_page


def test_the_page_is_that_of_the_definition() -> None:
    text = saga_page.PAGE.read_text()
    assert saga_page.with_saga(text) == text, "run `make pictures`, and read the difference"


@pytest.mark.parametrize(
    "changed",
    [
        replace(PLACE_ORDER, steps=PLACE_ORDER.steps[::-1]),
        replace(PLACE_ORDER, endings=PLACE_ORDER.endings[:-2] + PLACE_ORDER.endings[-1:]),
        replace(
            PLACE_ORDER,
            steps=(
                replace(PLACE_ORDER.steps[0], call=replace(PLACE_ORDER.steps[0].call, timeout=31)),
                *PLACE_ORDER.steps[1:],
            ),
        ),
    ],
    ids=["steps", "endings", "timeout"],
)
def test_a_definition_that_changes_is_seen(changed: Definition) -> None:
    text = saga_page.PAGE.read_text()
    assert saga_page.with_saga(text, changed) != text


def test_a_page_without_a_place_for_the_saga_is_refused() -> None:
    with pytest.raises(ValueError, match="The page has no lines"):
        saga_page.with_saga("# A page\n")
