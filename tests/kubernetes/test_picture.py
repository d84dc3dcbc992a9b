"""The picture in deploy/k8s/README.md shows the connections that the network policies of `local` allow."""

import pytest

from tests.docs.flowcharts import arrows, flowcharts
from tests.kubernetes.rendered import ROLES, ROOT, Object, rendered
from tests.kubernetes.test_network import OUTSIDE, matrix, services

PAGE = ROOT / "deploy" / "k8s" / "README.md"
NAMES = {"card-processor": "processor", "declare-topics": "topics", "tcp-proxy": "proxy"}
"""Pods whose names are no ids of Mermaid."""
FROM_OUTSIDE = {("shop", "proxy")}
"""Arrows of the picture that come from outside of the namespace: a forwarded port is no connection between pods."""

Connection = tuple[str, str]


def drawn(page: str) -> set[Connection]:
    """The arrows of the picture."""
    return {(arrow.source, arrow.target) for arrow in arrows(flowcharts(page)[0])} - FROM_OUTSIDE


def allowed(objects: list[Object]) -> set[Connection]:
    """The connections between pods, with one name for the same role of all services."""
    roles = {f"{service}-{role}": role for service in services() for role in ROLES}

    def name(pod: str) -> str:
        return roles.get(pod, NAMES.get(pod, pod))

    return {
        (name(source), name(target))
        for source, target, _ in matrix(objects)
        if source not in OUTSIDE and target not in OUTSIDE
    }


def test_the_picture_shows_the_connections_that_the_policies_allow() -> None:
    assert drawn(PAGE.read_text()) == allowed(rendered("local"))


@pytest.mark.parametrize(
    ("old", "new", "lie"),
    [
        ("    worker --> kafka", "    worker & api --> kafka", ("api", "kafka")),
        ('    worker -- "payments alone" --> processor["card-processor"]\n', "", ("worker", "processor")),
    ],
)
def test_a_connection_that_is_drawn_wrong_is_seen(old: str, new: str, lie: Connection) -> None:
    page = PAGE.read_text()
    assert old in page, f"the planted lie needs {old} in the page"
    assert drawn(page.replace(old, new, 1)) ^ allowed(rendered("local")) == {lie}
