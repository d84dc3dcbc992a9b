"""The rules of ordering."""

import ast
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders import domain
from orders.domain import Item, OrderState, Price

SKUS = st.text(min_size=1, max_size=8)
QUANTITIES = st.integers(1, domain.MAX_QUANTITY)
BASKETS = st.dictionaries(SKUS, st.tuples(QUANTITIES, st.integers(0, 10**9)), min_size=1, max_size=20)


@given(BASKETS)
def test_a_total_is_the_sum_of_quantity_times_price_to_the_last_minor_unit(
    basket: dict[str, tuple[int, int]],
) -> None:
    items = [Item(sku, quantity) for sku, (quantity, _) in basket.items()]
    price_list = {sku: Price(price, "EUR") for sku, (_, price) in basket.items()}
    domain.check_items(items)
    priced = domain.price_items(items, "EUR", price_list)
    assert priced.total_minor == sum(quantity * price for quantity, price in basket.values())
    assert [(line.sku, line.quantity) for line in priced.lines] == [
        (item.sku, item.quantity) for item in items
    ]


def test_an_order_without_lines_is_refused() -> None:
    with pytest.raises(domain.EmptyOrder):
        domain.check_items([])


def test_a_hundred_lines_are_taken_and_one_more_is_refused() -> None:
    items = [Item(f"sku-{number}", 1) for number in range(domain.MAX_LINES + 1)]
    domain.check_items(items[:-1])
    with pytest.raises(domain.TooManyLines):
        domain.check_items(items)


@pytest.mark.parametrize("quantity", [1, domain.MAX_QUANTITY])
def test_quantities_at_the_edge_are_taken(quantity: int) -> None:
    domain.check_items([Item("mug", quantity)])


@given(st.integers().filter(lambda quantity: not 1 <= quantity <= domain.MAX_QUANTITY))
def test_a_quantity_out_of_range_is_refused(quantity: int) -> None:
    with pytest.raises(domain.InvalidQuantity):
        domain.check_items([Item("mug", quantity)])


def test_one_sku_on_two_lines_is_refused() -> None:
    with pytest.raises(domain.DuplicateSku) as refused:
        domain.check_items([Item("mug", 1), Item("tea", 1), Item("mug", 2)])
    assert refused.value.sku == "mug"


def test_all_unknown_skus_are_named_at_once() -> None:
    with pytest.raises(domain.UnknownSku) as refused:
        domain.price_items([Item("a", 1), Item("mug", 1), Item("b", 1)], "EUR", {"mug": Price(100, "EUR")})
    assert refused.value.skus == ["a", "b"]


def test_a_known_sku_in_another_currency_is_refused() -> None:
    with pytest.raises(domain.CurrencyNotOffered) as refused:
        domain.price_items([Item("mug", 1)], "USD", {"mug": Price(100, "EUR")})
    assert (refused.value.currency, refused.value.skus) == ("USD", ["mug"])


def test_a_total_that_no_column_could_hold_is_refused() -> None:
    with pytest.raises(domain.TotalTooLarge):
        domain.price_items([Item("mug", 2)], "EUR", {"mug": Price(domain.MAX_TOTAL_MINOR, "EUR")})


def test_the_last_pending_order_below_the_limit_is_taken_and_the_next_is_refused() -> None:
    domain.check_pending(9, 10)
    with pytest.raises(domain.TooManyPendingOrders, match="10"):
        domain.check_pending(10, 10)


@pytest.mark.parametrize("to", sorted(domain.TERMINAL))
def test_a_pending_order_can_end_in_every_way(to: OrderState) -> None:
    domain.check_transition("1", OrderState.PENDING, to)


@pytest.mark.parametrize("to", sorted(OrderState))
@pytest.mark.parametrize("ended", sorted(domain.TERMINAL))
def test_an_ended_order_never_changes_again(ended: OrderState, to: OrderState) -> None:
    with pytest.raises(domain.OrderAlreadyEnded):
        domain.check_transition("1", ended, to)


def test_the_domain_imports_nothing_but_the_standard_library() -> None:
    tree = ast.parse(Path(str(domain.__file__)).read_text())
    imported = {
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names
