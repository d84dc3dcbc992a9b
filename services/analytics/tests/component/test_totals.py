"""Totals are what the facts come to: in any order, with any repetition, from several writers at once."""

import asyncio
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from analytics import handlers
from chassis.events import new_id
from testkit import statements

ENDINGS = ["confirmed", "rejected", "declined", "cancelled", "pending"]

ORDER_TOTALS = """
    SELECT generation, coalesce(order_state, '') AS order_state, coalesce(currency, '') AS currency,
           CASE WHEN placed_at IS NULL THEN 0 WHEN reserved_at IS NULL THEN 1 WHEN captured_at IS NULL THEN 2
                WHEN confirmed_at IS NULL THEN 3 WHEN notified_at IS NULL THEN 4 ELSE 5 END AS step,
           count(*) AS orders, coalesce(sum(total_minor), 0) AS total_minor, count(refunded_minor) AS refunds,
           coalesce(sum(refunded_minor), 0) AS refunded_minor
    FROM order_facts GROUP BY 1, 2, 3, 4
"""
PRODUCT_TOTALS = """
    SELECT generation, line.sku, currency, sum(quantity) AS quantity,
           sum(quantity * unit_price_minor) AS revenue_minor
    FROM order_facts
    CROSS JOIN jsonb_to_recordset(lines) AS line (sku text, quantity numeric, unit_price_minor numeric)
    WHERE order_state = 'CONFIRMED' GROUP BY 1, 2, 3
"""
WAIT_TOTALS = """
    SELECT generation, bits,
           floor(extract(epoch FROM confirmed_at - placed_at) * 1000000 / power(2, bits)) AS bucket,
           count(*) AS orders
    FROM order_facts CROSS JOIN unnest(ARRAY[0, 8, 16, 24]) AS bits
    WHERE confirmed_at IS NOT NULL AND placed_at IS NOT NULL GROUP BY 1, 2, 3
"""
KEPT = {
    ORDER_TOTALS: """
        SELECT generation, order_state, currency, step, sum(orders) AS orders, sum(total_minor) AS total_minor,
               sum(refunds) AS refunds, sum(refunded_minor) AS refunded_minor
        FROM order_totals GROUP BY 1, 2, 3, 4 HAVING sum(orders) <> 0
    """,
    PRODUCT_TOTALS: """
        SELECT generation, sku, currency, sum(quantity) AS quantity, sum(revenue_minor) AS revenue_minor
        FROM product_totals GROUP BY 1, 2, 3 HAVING sum(quantity) <> 0
    """,
    WAIT_TOTALS: """
        SELECT generation, bits, bucket, sum(orders) AS orders
        FROM wait_totals GROUP BY 1, 2, 3 HAVING sum(orders) <> 0
    """,
}
"""What is counted from the facts → what the totals say of it."""


async def rows_of(ledger: Any, query: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(row.values()) for row in await ledger.all(query))


async def assert_exact(ledger: Any) -> None:
    """Totals = totals counted from the facts."""
    for counted, kept in KEPT.items():
        assert await rows_of(ledger, kept) == await rows_of(ledger, counted)


async def project_together(ledger: Any, events: Sequence[Any]) -> None:
    """All events in one transaction, as the inbox would give them to their handlers."""
    async with ledger.database.transaction() as tx:
        await ledger.hand_over(tx, *events)


def stories(story: Any) -> st.SearchStrategy[list[Any]]:
    """Events of some orders with any endings, shuffled, some repeated."""
    order = st.builds(
        lambda ending, wait, currency, price, sku: story.order(
            ending, wait=wait, currency=currency, price=price, sku=sku
        ),
        st.sampled_from(ENDINGS),
        st.sampled_from([0.25, 1, 1.000001, 70, 4_000, -2]),
        st.sampled_from(["EUR", "USD"]),
        st.sampled_from([1, 1299, 10**12]),
        st.sampled_from(["mug", "tea"]),
    )
    told = st.lists(order, min_size=1, max_size=5).map(
        lambda orders: [e for events in orders for e in events]
    )
    repeated = told.flatmap(lambda events: st.lists(st.sampled_from(events), max_size=4).map(events.__add__))
    return repeated.flatmap(st.permutations)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
async def test_totals_are_exact_after_any_order_and_any_repetition(
    ledger: Any, story: Any, data: st.DataObject
) -> None:
    events = data.draw(stories(story))
    cut = data.draw(st.integers(1, len(events)))
    for start in range(0, len(events), cut):
        await project_together(ledger, events[start : start + cut])
    await assert_exact(ledger)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
async def test_totals_are_exact_when_several_writers_write_the_same_orders_at_once(
    ledger: Any, story: Any, data: st.DataObject
) -> None:
    events = data.draw(stories(story))
    writers = [data.draw(st.permutations(events)) for _ in range(4)]
    await asyncio.gather(*(project_together(ledger, told) for told in writers))
    await assert_exact(ledger)


async def test_totals_are_exact_in_both_generations_while_one_is_built(ledger: Any, story: Any) -> None:
    await ledger.project_each(story.order("confirmed"))
    async with ledger.database.transaction() as tx:
        await handlers.open_rebuild(tx)
    for ending in ENDINGS:
        await ledger.project_each(story.order(ending))
    await assert_exact(ledger)
    assert {row["generation"] for row in await ledger.all("SELECT generation FROM order_totals")} == {1, 2}


async def test_a_writer_does_not_wait_for_another_that_has_not_committed(ledger: Any, story: Any) -> None:
    """Both change the same totals; each has rows of its own."""
    one, other = story.order("confirmed"), story.order("confirmed")
    async with ledger.database.transaction() as slow:
        await ledger.hand_over(slow, *one)
        async with asyncio.timeout(5):
            await project_together(ledger, other)
    await assert_exact(ledger)
    assert {row["slot"] for row in await ledger.all("SELECT slot FROM product_totals")} == {0, 1}


async def test_facts_that_the_release_before_writes_are_counted_too(ledger: Any) -> None:
    """It knows no totals, and writes while it is being replaced."""
    placed = "(1, $1, 1, 'PENDING', now(), 500, 'EUR', $2)"
    columns = "generation, order_id, order_version, order_state, placed_at, total_minor, currency, lines"
    lines = json.dumps([{"sku": "mug", "quantity": 5, "unit_price_minor": 100}])
    order_id = new_id()
    await ledger.all(f"INSERT INTO order_facts ({columns}) VALUES {placed}", order_id, lines)
    await assert_exact(ledger)
    await ledger.all(
        "UPDATE order_facts SET order_state = 'CONFIRMED', order_version = 2, confirmed_at = now() + '1 s'"
        " WHERE order_id = $1",
        order_id,
    )
    await assert_exact(ledger)
    (sold,) = await ledger.all("SELECT sku, quantity FROM product_totals")
    assert sold == {"sku": "mug", "quantity": Decimal(5)}


async def test_a_row_that_is_mended_by_hand_is_counted_as_it_is_now(ledger: Any, story: Any) -> None:
    await ledger.project_each(story.order("confirmed"))
    lines = json.dumps([{"sku": "tea", "quantity": 1, "unit_price_minor": 7}])
    await ledger.all(
        "UPDATE order_facts SET currency = 'USD', lines = $1, placed_at = placed_at - '1 h'::interval", lines
    )
    await assert_exact(ledger)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(waits=st.lists(st.integers(-(10**7), 10**11), min_size=1, max_size=12))
async def test_percentiles_are_those_that_postgresql_counts_from_the_facts(
    ledger: Any, waits: list[int]
) -> None:
    """`waits` are microseconds: from ten seconds too early to more than a day."""
    await ledger.all("UPDATE order_facts SET placed_at = NULL")
    await ledger.all(
        "INSERT INTO order_facts (generation, order_id, placed_at, confirmed_at)"
        " SELECT 1, gen_random_uuid(), '2026-01-01', '2026-01-01'::timestamptz + wait * interval '1 us'"
        " FROM unnest($1::bigint[]) AS wait",
        waits,
    )
    (counted,) = await ledger.all(
        "SELECT percentile_cont(ARRAY[0.5, 0.9, 0.99])"
        " WITHIN GROUP (ORDER BY CAST(extract(epoch FROM confirmed_at - placed_at) AS float8)) AS seconds"
        " FROM order_facts WHERE placed_at IS NOT NULL"
    )
    async with ledger.database.reading() as connection:
        told = await handlers.report_time_to_confirm(connection)
    assert told["orders"] == len(waits)
    assert [told[name] for name in ("p50", "p90", "p99")] == pytest.approx(counted["seconds"], abs=1e-7)


async def test_no_report_reads_the_facts_of_orders(http: httpx.AsyncClient) -> None:
    """Else its price would grow with the orders."""
    with statements() as sent:
        for name in ("orders-by-state", "revenue", "top-products", "time-to-confirm", "funnel"):
            assert (await http.get(f"/reports/{name}")).status_code == 200
    assert len(sent) >= 5
    assert not [statement for statement in sent if "order_facts" in statement]


async def test_sums_beyond_64_bits_are_exact(ledger: Any, story: Any, http: httpx.AsyncClient) -> None:
    """Ten orders of a hundred lines, each of 10,000 pieces at 10^12 minor units."""
    lines = [
        {"sku": f"gold-{n}", "quantity": 10_000, "unit_price": {"amount_minor": 10**12, "currency": "EUR"}}
        for n in range(100)
    ]
    for _ in range(10):
        saga = story.order("confirmed")
        total = {"amount_minor": 10**18, "currency": "EUR"}
        await ledger.project_each(
            [(type_, key, data | {"lines": lines, "total": total}) for type_, key, data in saga]
        )
    (revenue,) = (await http.get("/reports/revenue")).json()["currencies"]
    assert revenue["revenue_minor"] == 10 * 10**18 > 2**63
    products = (await http.get("/reports/top-products", params={"limit": 100})).json()["products"]
    assert {(p["quantity"], p["revenue_minor"]) for p in products} == {(100_000, 10**17)}
    await assert_exact(ledger)


async def test_the_tables_take_whatever_the_models_take(
    ledger: Any, story: Any, http: httpx.AsyncClient
) -> None:
    """The greatest values of each kind, sums of which are beyond what their columns hold."""
    sku, most = "\U0001f375" * 500, 2**63 - 1
    for year in ("0001-01-01T00:00:00.000001+00:00", "9999-12-31T23:59:59.999998+00:00"):
        for type_, key, data in story.order("confirmed"):
            great: dict[str, Any] = {name: year for name in data if name.endswith("_at")}
            great |= {"version": 2**31 - 3 + data["version"]}
            money = {"amount_minor": most, "currency": "EUR"}
            great |= {"total": money, "lines": [{"sku": sku, "quantity": most, "unit_price": money}] * 2}
            await ledger.project((type_, key, data | great))
    await assert_exact(ledger)
    (product,) = (await http.get("/reports/top-products")).json()["products"]
    assert product["revenue_minor"] == 4 * most * most
    assert (await http.get("/reports/time-to-confirm")).json()["p50"] == 0


async def test_a_column_that_a_later_release_adds_changes_no_answer(
    ledger: Any, owner: Any, http: httpx.AsyncClient
) -> None:
    paths = ["/rebuilds/1", "/reports/funnel", "/reports/revenue", "/reports/top-products"]
    before = [(await http.get(path)).json() for path in paths]
    for table in ("projection_state", "order_totals", "product_totals", "order_facts"):
        await owner.execute(f"ALTER TABLE {table} ADD COLUMN note text")
    answers = [await http.get(path) for path in paths]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert [answer.json() for answer in answers] == before


async def test_facts_go_on_being_counted_after_a_column_was_added(
    ledger: Any, owner: Any, story: Any
) -> None:
    await ledger.project_each(story.order("confirmed"))
    await owner.execute("ALTER TABLE order_facts ADD COLUMN note text")
    await ledger.project_each(story.order("confirmed"))
    await assert_exact(ledger)


async def test_a_batch_that_is_cut_off_is_counted_nowhere(ledger: Any, story: Any) -> None:
    async with ledger.database.reading() as connection:
        cut_off = connection.driver.transaction()
        await cut_off.start()
        await connection.execute(
            text("INSERT INTO order_facts (generation, order_id, order_state) VALUES (1, :id, 'PENDING')"),
            {"id": new_id()},
        )
        await cut_off.rollback()
    assert await ledger.all("SELECT * FROM order_totals") == []
