"""One rule for text that a request brings."""

import json
import unicodedata
from typing import Annotated

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr, ValidationError

from chassis.web import Plain, PlainSecret, Storable

ANY_CHARACTER = st.characters(exclude_categories=())


class Texts(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=64), Plain] = "a"
    token: Annotated[SecretStr, Field(min_length=1, max_length=200), PlainSecret] = SecretStr("a")
    key: Annotated[str, Field(max_length=500), Storable] = "a"


def is_taken(member: str, text: str) -> bool:
    try:
        Texts.model_validate({member: text})
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    "text",
    ["c-ada", "Mug, blue", "Tasse à café", "紅茶", "чай", "👩‍🚀", "x" * 64, "O'Brien; DROP TABLE", "٣"],
)
def test_text_of_any_language_is_taken(text: str) -> None:
    assert is_taken("name", text)
    assert is_taken("token", text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            " a",
            "a ",
            "\u00a0a",
            "\x00",
            "a\nb",
            "a\tb",
            "\x1b[31m",
            "\x7f",
            "\x85",
            "\u2028",
            "\u2029",
        ),
        *("\ud800", "\udfff", "\ufffe", "\uffff", "\ufdd0", "\U0001ffff", "e\u0301", "\u212b"),
    ],
)
def test_text_that_cannot_be_read_kept_or_compared_is_refused(text: str) -> None:
    assert not is_taken("name", text)
    assert not is_taken("token", text)


def test_the_length_is_that_of_the_field() -> None:
    assert not is_taken("name", "x" * 65)
    assert not is_taken("token", "x" * 201)
    assert not is_taken("key", "x" * 501)


@given(st.text(ANY_CHARACTER, min_size=1, max_size=20))
@example("a\u0308")
def test_text_that_is_taken_can_be_kept_and_is_one_line_in_one_form(text: str) -> None:
    if is_taken("name", text):
        text.encode()
        assert "\x00" not in text
        assert text.splitlines() == [text]
        assert text == unicodedata.normalize("NFC", text) == text.strip()
        assert json.loads(json.dumps(text)) == text


@given(st.text(ANY_CHARACTER, max_size=20))
def test_a_key_of_others_is_taken_if_and_only_if_postgresql_can_compare_it(text: str) -> None:
    def can_be_compared() -> bool:
        try:
            return b"\x00" not in text.encode()
        except UnicodeEncodeError:
            return False

    assert is_taken("key", text) == can_be_compared()


def test_a_refused_token_is_not_repeated() -> None:
    with pytest.raises(ValidationError) as refused:
        Texts.model_validate({"token": "tok_secret\x00"})
    assert "tok_secret" not in json.dumps(refused.value.errors(include_input=False), default=str)
