"""The limits of both commands, with a violation of each."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from shop_lab.experiments.foreign_orders import Ended, Ordinary
from shop_lab.fuzz import events, requests
from shop_lab.fuzz.apis import Answers, Api, Failure
from shop_lab.fuzz.mutants import Spec
from shop_lab.fuzz.sorting import Became, Finding, Sorted
from shop_lab.fuzz.verdict import print_fuzzed

FINDING = Finding(
    Spec(1, 2), ["deep data"], "a.b.v1", "orders", "neither handled nor a dead letter", "t[0]@1"
)


def orders(seconds: float, count: int = 600, **more: Any) -> Ordinary:
    return Ordinary([Ended(float(n), "CONFIRMED", n + seconds, n + 60.0) for n in range(count)], **more)


FINE = events.Seen(
    sorted=Sorted({"orders": Counter({Became.DEAD_LETTER: 7})}),
    sent=9,
    seconds=1.0,
    behind=0,
    restarts=0,
    ended=(),
    reference=orders(0.2),
    ordinary=orders(0.28),
)


def test_a_run_without_a_fault_holds() -> None:
    assert events.fuzzed(FINE, None).holds


@pytest.mark.parametrize(
    "change",
    [
        {"sorted": replace(FINE.sorted, findings=[FINDING])},
        {"behind": 1},
        {"restarts": 1},
        {"ended": ["orders"]},
        {"ordinary": orders(0.31)},
        {"ordinary": orders(0.28, lost=1)},
        {"ordinary": orders(0.28, failed=1)},
    ],
)
def test_each_fault_is_seen(change: dict[str, Any]) -> None:
    assert events.fuzzed(replace(FINE, **change), None).outcome.ruling == "short"


@pytest.mark.parametrize(
    "change", [{"sorted": Sorted({"orders": Counter()})}, {"ordinary": orders(0.28, count=100)}]
)
def test_a_run_that_shows_nothing_is_vacuous(change: dict[str, Any]) -> None:
    assert events.fuzzed(replace(FINE, **change), None).outcome.ruling == "vacuous"


def test_a_mutant_alone_has_no_p99() -> None:
    alone = events.fuzzed(replace(FINE, reference=None, ordinary=None), None)
    assert alone.holds
    assert not [value for value in alone.outcome.values if "p99" in value.name]


def printed(found: Any) -> str:
    console = Console(file=io.StringIO(), width=140)
    print_fuzzed(found, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_finding_is_printed_with_the_command_that_repeats_it() -> None:
    found = events.fuzzed(replace(FINE, sorted=replace(FINE.sorted, findings=[FINDING])), None)
    assert "shop fuzz events --only 1:2" in printed(found)
    assert found.as_json()["findings"][0]["mutant"] == "1:2"


API = Api("orders", "customer", {"paths": {}})
SHORT = Failure(API.name, "POST", "/orders", "{}", 500)


def seen(*failures: Failure, **statuses: int) -> requests.Seen:
    found = requests.Seen()
    counts = Counter({int(status[1:]): number for status, number in statuses.items()})
    found.add(API, Answers(counts, failures), "shop fuzz requests --only orders/customer")
    return found


def test_requests_without_a_fault_hold() -> None:
    assert requests.fuzzed(seen(_200=3, _422=5), None).holds


@pytest.mark.parametrize("found", [seen(_200=3, _500=1), seen(_200=3, _503=1), seen(_200=3, _0=1)])
def test_an_answer_of_5xx_and_no_answer_are_seen(found: requests.Seen) -> None:
    assert requests.fuzzed(found, None).outcome.ruling == "short"


def test_a_process_that_ended_and_a_task_that_started_again_are_seen() -> None:
    for change in ({"ended": ["orders"]}, {"restarts": 1}):
        assert requests.fuzzed(replace(seen(_200=3), **change), None).outcome.ruling == "short"


def test_requests_that_are_all_refused_show_nothing() -> None:
    assert requests.fuzzed(seen(_401=9), None).outcome.ruling == "vacuous"


ORDERING = Api("orders", "customer", {"paths": {"/orders": {"post": {}, "get": {}}}})


def asked(**carried_out: int) -> requests.Seen:
    found = requests.Seen()
    operations = Counter({f"{method.upper()} /orders": number for method, number in carried_out.items()})
    found.add(ORDERING, Answers(Counter({200: 9}), (), operations), "")
    return found


def test_requests_that_place_no_order_show_too_little() -> None:
    assert requests.fuzzed(asked(get=9), None).outcome.ruling == "vacuous"
    assert requests.fuzzed(asked(get=8, post=1), None).outcome.ruling == "holds"


def test_an_operation_that_no_request_carried_out_is_named() -> None:
    found = requests.fuzzed(asked(post=9), None)
    assert "no request carried out: orders/customer: GET /orders" in printed(found)
    assert found.as_json()["detail"]["operations that no request carried out"] == [
        "orders/customer: GET /orders"
    ]


def test_of_equal_failures_the_shortest_request_is_kept() -> None:
    found = seen(replace(SHORT, body='{"long": 1}'), SHORT, _200=1, _500=2)
    (finding,) = requests.fuzzed(found, None).findings
    assert finding["what"] == "orders/customer: 500 at POST /orders"
    assert "'{}'" in finding["request"]
    assert "shop fuzz requests --only orders/customer" in printed(requests.fuzzed(found, None))


def test_of_many_apis_each_is_a_row_of_the_table() -> None:
    found = seen(_200=3, _422=5)
    for number in range(3):
        found.add(replace(API, service=f"s{number}"), Answers(Counter({200: 1}), ()), "")
    rows = printed(requests.fuzzed(found, None)).splitlines()
    assert next(row.split() for row in rows if "200" in row) == ["200", "422"]
    assert next(row.split() for row in rows if "s2/customer" in row) == ["s2/customer", "1", "0"]
