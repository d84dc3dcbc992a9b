"""Whose token `shop token` asks for."""

from __future__ import annotations

import pytest

from shop.commands.token import subject_of
from shop_stack.errors import UserError


@pytest.mark.parametrize(
    ("who", "name", "subject"),
    [
        ("operator", "", "operator"),
        ("operator", "ada", "operator:ada"),
        ("clerk", "bob", "clerk:bob"),
        ("c-ada", "", "c-ada"),
        ("c-ada", "bob", "c-ada"),
        ("ada@customers.example", "", "ada@customers.example"),
        ("processor", "", "processor"),
    ],
)
def test_a_role_may_have_a_person_and_a_customer_has_a_login_name(who: str, name: str, subject: str) -> None:
    assert subject_of(who, name) == subject


@pytest.mark.parametrize("who", ["admin", "Operator", "root", "customer", "operator:ada", ""])
def test_a_role_that_does_not_exist_is_an_error_and_no_customer(who: str) -> None:
    with pytest.raises(UserError, match="name clerk, operator or processor, or a customer"):
        subject_of(who, "")
