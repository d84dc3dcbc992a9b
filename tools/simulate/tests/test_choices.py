"""A schedule as a text: each form is read, and another text is refused."""

from __future__ import annotations

import pytest

from shop_simulate.choices import FORMS, choices_of, text_of
from shop_stack.errors import UserError


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ; ",
        "fly",
        "place 1 mug",
        "deliver nobody all",
        "job orders x lost",
        "wait long",
        "cancel 1 tok_ok",
    ],
)
def test_a_text_that_is_no_schedule_is_refused_with_the_cure(text: str) -> None:
    with pytest.raises(UserError, match="place"):
        choices_of(text)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_a_choice_is_read(form: str) -> None:
    values = {
        "NUMBER": "1",
        "SKU": "mug",
        "CARD": "tok_ok",
        "SERVICE": "orders",
        "TOPIC": "orders.order.v1",
        "KEY": "1",
        "JOB": "deliver",
        "SECONDS": "7",
        "[FATE]": "dies-after-commit",
        "[ANSWER]": "answer-lost",
    }
    text = " ".join(values.get(word, word) for word in form.split())
    assert text_of(choices_of(text)) == text
