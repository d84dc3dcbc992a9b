"""What would end a drill, planted: each check is seen to catch what it is for, without a cluster."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from shop_load.closed_loop import Placed
from shop_load.plans import plan_run
from shop_observe.history import Request
from shop_oracle.evidence import Evidence, Movement, Traces
from shop_oracle.report import Verdict, judge
from tests.kubernetes.drills import checks
from tests.kubernetes.drills.checks import Sales


def placing(status: int | None, operation: str = "place-order", number: int = 1) -> Request:
    return Request(
        "run", number, operation, f"key-{number}", "", "", 0, 0.0, status=status, order_id="order-1"
    )


def sales(*requests: Request) -> Sales:
    plan = plan_run("run", 1, seed=1).plans[0]
    return Sales("run", [Placed(plan, "order-1")], list(requests))


def verdict(evidence: Evidence) -> Verdict:
    """The oracle's, on a shop whose reports tell of nothing."""
    evidence.reports = {
        "orders-by-state": {"states": []},
        "revenue": {"currencies": []},
        "top-products": {"products": []},
        "funnel": dict.fromkeys(("placed", "reserved", "captured", "confirmed", "notified"), 0),
        "time-to-confirm": {"orders": 0, "p50": None, "p90": None, "p99": None},
    }
    return judge(evidence)


def test_a_shop_in_which_nothing_happened_has_no_fault() -> None:
    assert checks.verdict_faults(verdict(Evidence())) == []


def test_an_order_that_a_customer_was_promised_and_is_nowhere_ends_a_drill() -> None:
    (fault,) = checks.verdict_faults(verdict(Evidence(requests=[placing(202)])))
    assert "order order-1" in fault
    assert "a client was told that it was accepted" in fault


def test_a_card_that_was_charged_twice_ends_a_drill() -> None:
    charges = [Movement("charge", f"ch-{n}", "order-1", 100, "EUR") for n in (1, 2)]
    (fault,) = checks.verdict_faults(verdict(Evidence(ledger=charges)))
    assert "one charge in the processor's ledger" in fault


def test_a_shop_that_does_not_come_to_rest_ends_a_drill() -> None:
    assert checks.verdict_faults(verdict(Evidence(unrest=["3 orders PENDING"])))


def test_traces_that_could_not_be_judged_end_a_drill_that_is_about_them() -> None:
    evidence = Evidence(traces=Traces(unjudged="no spans were received"))
    assert checks.verdict_faults(verdict(evidence)) == []
    assert "no spans were received" in checks.verdict_faults(verdict(evidence), traces=True)


def test_a_customer_without_an_answer_and_one_with_a_5xx_end_a_drill_and_a_refusal_does_not() -> None:
    assert checks.customer_faults(sales(placing(202), placing(429))) == []
    assert checks.customer_faults(sales(placing(None))) == ["place-order key-1: no answer"]
    assert checks.customer_faults(sales(placing(503))) == ["place-order key-1: 503"]


def test_a_drill_about_orders_bears_with_failed_cancellations_alone() -> None:
    both = sales(placing(503, "cancel-order"), placing(503, number=2))
    assert checks.customer_faults(both, ["place-order"]) == ["place-order key-2: 503"]


def test_a_drill_in_which_nobody_bought_anything_shows_nothing() -> None:
    assert checks.customer_faults(Sales("run")) == ["nobody bought anything, so nothing was tried"]


@pytest.mark.parametrize("states", [{"order-1": "REJECTED"}, {}])
def test_an_order_that_is_not_confirmed_is_seen(states: dict[str, str]) -> None:
    assert checks.unconfirmed(sales(), {"order-1": "CONFIRMED"}) == []
    assert len(checks.unconfirmed(sales(), states)) == 1


DEPLOYMENT: dict[str, Any] = {
    "metadata": {"name": "orders-api"},
    "spec": {
        "replicas": 2,
        "template": {"spec": {"containers": [{"image": "localhost/shopfloor/orders:dev"}]}},
    },
    "status": {"replicas": 2, "readyReplicas": 2},
}


def test_a_release_that_stayed_after_it_was_taken_back_is_seen() -> None:
    other = copy.deepcopy(DEPLOYMENT)
    other["spec"]["template"]["spec"]["containers"][0]["image"] = "localhost/shopfloor/orders:next"
    assert checks.template_faults([DEPLOYMENT], [DEPLOYMENT]) == []
    assert checks.template_faults([DEPLOYMENT], [other]) == ["orders-api is not as it was"]
    assert checks.template_faults([DEPLOYMENT], []) == ["orders-api is not as it was"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda d: d["spec"].update(replicas=3), "3 asked for, not 2"),
        (lambda d: d["status"].update(replicas=1), "1 there, not 2"),
        (lambda d: d["status"].pop("readyReplicas"), "0 ready, not 2"),
    ],
)
def test_a_deployment_that_is_not_at_its_number_is_seen(
    change: Callable[[dict[str, Any]], object], fault: str
) -> None:
    changed = copy.deepcopy(DEPLOYMENT)
    change(changed)
    assert checks.replica_faults(DEPLOYMENT, 2) == []
    assert checks.replica_faults(changed, 2) == [fault]


def test_a_drain_that_took_the_last_pod_is_seen() -> None:
    gone = copy.deepcopy(DEPLOYMENT)
    del gone["status"]["readyReplicas"]
    assert checks.drain_faults(DEPLOYMENT, held=True, nodes=1) == []
    assert checks.drain_faults(DEPLOYMENT, held=False, nodes=2) == []
    assert checks.drain_faults(gone, held=True, nodes=1) == ["nobody is left of orders-api"]
    assert checks.drain_faults(DEPLOYMENT, held=False, nodes=1) == ["every pod had nowhere to go, and went"]


def pod(name: str = "orders-api-1", restarts: int = 0, **status: Any) -> dict[str, Any]:
    containers = [{"restartCount": restarts, "state": {"running": {}}, "lastState": {}}]
    return {"metadata": {"name": name}, "status": {"containerStatuses": containers, **status}}


def test_a_pod_that_was_restarted_or_is_gone_is_seen() -> None:
    assert checks.restart_faults([pod()], [pod(), pod("orders-api-2")]) == []
    assert checks.restart_faults([pod()], [pod(restarts=1)]) == ["orders-api-1 was restarted"]
    assert checks.restart_faults([pod()], [pod("orders-api-2")]) == ["orders-api-1 is gone"]


def test_a_pod_of_the_shop_that_was_evicted_is_seen() -> None:
    assert checks.evicted([pod(), pod("payments-worker-1", reason="Evicted")]) == {"payments-worker-1"}


def test_a_pod_that_waits_for_memory_is_told_from_others() -> None:
    def scheduled(status: str, message: str) -> dict[str, Any]:
        return pod(conditions=[{"type": "PodScheduled", "status": status, "message": message}])

    assert checks.is_left_waiting(scheduled("False", "0/1 nodes: 1 Insufficient memory."), "memory")
    assert not checks.is_left_waiting(scheduled("False", "0/1 nodes: 1 Insufficient cpu."), "memory")
    assert not checks.is_left_waiting(scheduled("True", ""), "memory")
    assert not checks.is_left_waiting(pod(), "memory")


def test_a_node_without_pressure_is_told_from_one_with_it() -> None:
    def node(status: str) -> dict[str, Any]:
        return {"status": {"conditions": [{"type": "MemoryPressure", "status": status}]}}

    assert checks.has_condition(node("True"), "MemoryPressure")
    assert not checks.has_condition(node("False"), "MemoryPressure")


def test_why_containers_wait_and_end_is_read_from_now_and_from_last_time() -> None:
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff"}}, "lastState": {}}
    killed = {"state": {"running": {}}, "lastState": {"terminated": {"reason": "OOMKilled"}}}
    assert checks.reasons([pod()]) == set()
    assert checks.reasons([pod(containerStatuses=[waiting, killed])]) == {"ImagePullBackOff", "OOMKilled"}


def test_a_partition_that_nobody_reads_is_seen() -> None:
    assert checks.reading_faults({0: 5, 1: 2}, {0: 5, 1: 2}, new=[1]) == []
    assert checks.reading_faults({0: 5}, {0: 5, 1: 2}, new=[1]) == ["partition 1: 0 of 2 read"]
    assert checks.reading_faults({0: 4, 1: 2}, {0: 5, 1: 2}, new=[1]) == ["partition 0: 4 of 5 read"]


def test_a_widening_that_nothing_came_of_is_seen() -> None:
    assert checks.reading_faults({0: 5}, {0: 5, 1: 0}, new=[1]) == ["nothing came to what is new"]
