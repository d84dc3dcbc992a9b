"""A granted right that the log of the authorizer does not show is named."""

from typing import Any

import pytest
import yaml

from shop_stack import paths
from shop_stack.rights import Operation, Resource, Right, all_rights
from tests.rights.used_rights import NEEDED_UNUSED, unused_rights, used_rights

TOPICS: list[dict[str, Any]] = yaml.safe_load((paths.contracts() / "topics.yaml").read_text())["topics"]
LINE = (
    "[data-plane-kafka-request-handler-0] TRACE kafka.authorizer.logger - Principal = User:{0} is {1} operation = {2}"
    " from host = 127.0.0.1 on resource = {3} for request = {4} with resourceRefCount = 1 based on rule MatchingAcl"
    "(acl=StandardAcl(resourceType=TOPIC, resourceName=x, patternType=LITERAL, principal=User:x, host=*,"
    " operation=WRITE, permissionType=ALLOW))"
)
WRITE = Right("orders", Resource.TOPIC, "orders.order.v1", Operation.WRITE)
DESCRIBE = Right("orders", Resource.TOPIC, "orders.order.v1", Operation.DESCRIBE)
GROUP = Right("orders", Resource.GROUP, "orders", Operation.READ)


def line(right: Right, result: str = "Allowed") -> str:
    resource = f"{right.resource.title()}:LITERAL:{right.name}"
    return LINE.format(right.principal, result, right.operation.name, resource, "Produce")


def test_the_log_tells_which_rights_were_used() -> None:
    log = [
        line(WRITE),
        line(GROUP),
        line(DESCRIBE, "Denied"),
        LINE.format("orders", "Allowed", "CLUSTER_ACTION", "Cluster:LITERAL:kafka-cluster", "Fetch"),
        "another line",
    ]
    assert used_rights(log) == {WRITE, GROUP}


def test_a_right_that_was_not_used_is_named() -> None:
    planted = Right("orders", Resource.TOPIC, "payments.payment.v1", Operation.WRITE)
    assert unused_rights([WRITE, GROUP, planted], used_rights([line(WRITE), line(GROUP)])) == [
        "orders never uses Write on the topic payments.payment.v1:"
        " take the right from shop_stack/rights.py or contracts/topics.yaml."
    ]


@pytest.mark.parametrize(("used", "faults"), [([DESCRIBE], 1), ([DESCRIBE, WRITE], 0), ([], 1)])
def test_describing_a_topic_when_a_client_connects_is_no_use(used: list[Right], faults: int) -> None:
    assert len(unused_rights([DESCRIBE], used)) == faults


def test_a_right_that_is_needed_without_use_is_a_granted_one() -> None:
    assert NEEDED_UNUSED.keys() <= set(all_rights(TOPICS))
