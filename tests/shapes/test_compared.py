"""`shop compare` on a running shape: it counts what is there, and a fault in one service bites."""

from typing import Any

import pytest

from shop_lab.compare import blast, partition, window
from shop_lab.compare.counting import counted
from shop_lab.compare.hops import CALLED, CALLER, hops
from shop_lab.compare.measuring import written
from shop_lab.testbed import PRODUCTS, Testbed
from shop_load.client import ShopClient
from shop_load.closed_loop import open_shop
from shop_observe.history import History
from shop_stack import admin
from shop_stack.ports import SERVICES


async def test_deployables_processes_databases_and_pipelines_are_those_of_the_shape(floor: Any) -> None:
    found = await counted(Testbed(floor.stack, floor.target))
    units = floor.stack.units
    assert found["deployables"] == found["service_processes"] == found["databases"] == len(units)
    assert found["processes"] == len(floor.stack.parts)
    assert found["pipelines"] == len(SERVICES)
    assert found["pipelines_of_largest"] == max(len(floor.stack.members(unit)) for unit in units)


async def test_the_tables_of_a_service_are_found_in_each_shape(floor: Any) -> None:
    testbed = Testbed(floor.stack, floor.target)
    placed = await floor.serve(floor.run(5))
    async with testbed.database("orders") as orders:
        found = await orders.fetchval(
            "SELECT count(*) FROM orders WHERE id = ANY($1::uuid[])", [one.order_id for one in placed]
        )
    assert found == len(placed)


async def test_an_order_leaves_bytes_in_the_log_of_each_server(floor: Any) -> None:
    testbed = Testbed(floor.stack, floor.target)
    before = await written(testbed)
    await floor.serve(floor.run(5))
    await floor.assert_that_the_oracle_holds()
    after = await written(testbed)
    assert before.keys() == ({"postgres", "kafka"} if floor.stack.shape.has_kafka else {"postgres"})
    assert [name for name in after if after[name] <= before[name]] == []


async def test_a_hop_is_a_call_only_within_a_process(floor: Any) -> None:
    placed = await floor.serve(floor.run(5))
    await floor.assert_that_the_oracle_holds()
    found = await hops(Testbed(floor.stack, floor.target), [str(one.order_id) for one in placed])
    shares_a_process = floor.unit_of(CALLER) == floor.unit_of(CALLED)
    assert found.keys() == {"hop_http_ms", "hop_event_ms", *(["hop_call_ms"] if shares_a_process else [])}
    assert min(found.values()) > 0


@pytest.mark.usefixtures("whole_run")
@pytest.mark.parametrize("fault", ["raises", "loops"])
async def test_a_fault_of_notifications_stops_the_orders_that_share_its_process(
    floor: Any, fault: str
) -> None:
    await list_products(floor, fault)
    meanwhile = await blast.strike(Testbed(floor.stack, floor.target), "notifications", fault, seconds=3)
    evidence = await floor.assert_that_the_oracle_holds()
    found = window.shares(meanwhile, evidence.orders.values())
    shares_a_process = floor.unit_of("notifications") == floor.unit_of("payments")
    confirmed = 0 if fault == "loops" and shares_a_process else 100
    assert found[f"notifications_{fault}_confirmed"] == confirmed
    assert admin.open_letters(floor.target, "notifications") == []


@pytest.mark.usefixtures("whole_run")
async def test_orders_takes_orders_without_kafka_and_refuses_them_without_its_database(floor: Any) -> None:
    await list_products(floor, "partition")
    windows = await partition.cut_all(Testbed(floor.stack, floor.target), 3, lambda _: None)
    evidence = await floor.assert_that_the_oracle_holds()
    orders = evidence.orders.values()
    accepted = {one.broken: window.shares(one, orders)[f"{one.broken}_accepted"] for one in windows}
    expected = {"cut_database": 0.0}
    assert accepted == ({"cut_kafka": 100.0, **expected} if floor.stack.shape.has_kafka else expected)


async def list_products(floor: Any, name: str) -> None:
    """List the products that `shop compare` sells."""
    with History(floor.target.state / "history", f"products-{name}") as history:
        async with ShopClient(floor.target, history) as shop:
            await open_shop(shop, PRODUCTS)
