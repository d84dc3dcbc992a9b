"""The Kafka rights follow from the owners and readers of the contract."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from shop_stack import paths, rights
from shop_stack.rights import Operation, Resource, Right

READ = Operation.READ
WRITE = Operation.WRITE
TOPICS: list[dict[str, Any]] = [
    {"name": "a.things.v1", "owner": "a", "readers": ["b"]},
    {"name": "b.things.v1", "owner": "b", "readers": []},
    {"name": "a.dead-letters", "owner": "a", "readers": []},
]


def contract() -> list[dict[str, Any]]:
    topics: list[dict[str, Any]] = yaml.safe_load((paths.contracts() / "topics.yaml").read_text())["topics"]
    return topics


def topics_with(operation: Operation, found: list[Right]) -> set[str]:
    return {
        right.name for right in found if right.resource is Resource.TOPIC and right.operation is operation
    }


def groups_of(found: list[Right]) -> set[str]:
    return {right.name for right in found if right.resource is Resource.GROUP}


def test_a_service_writes_the_topics_that_it_owns_and_no_other() -> None:
    assert topics_with(WRITE, rights.rights_of("a", TOPICS)) == {"a.things.v1", "a.dead-letters"}
    assert topics_with(WRITE, rights.rights_of("b", TOPICS)) == {"b.things.v1"}


def test_a_service_reads_the_topics_that_name_it_as_a_reader_and_no_other() -> None:
    assert topics_with(READ, rights.rights_of("a", TOPICS)) == set()
    assert topics_with(READ, rights.rights_of("b", TOPICS)) == {"a.things.v1"}


def test_a_service_has_the_group_of_its_own_name_if_it_reads_a_topic() -> None:
    assert groups_of(rights.rights_of("a", TOPICS)) == set()
    assert groups_of(rights.rights_of("b", TOPICS)) == {"b"}


def test_a_service_that_reads_its_own_topic_has_each_right_once() -> None:
    found = rights.rights_of("a", [{"name": "a.v1", "owner": "a", "readers": ["a"]}])
    assert len(found) == len(set(found))


def test_the_oracle_reads_every_topic_and_writes_none() -> None:
    found = rights.rights_of(rights.ORACLE, TOPICS)
    assert topics_with(READ, found) == {topic["name"] for topic in TOPICS}
    assert {right.operation for right in found} == {READ, Operation.DESCRIBE}
    assert {(right.name, right.operation) for right in found if right.resource is Resource.GROUP} == {
        ("b", Operation.DESCRIBE)
    }


def test_keda_describes_and_does_nothing_else() -> None:
    found = rights.rights_of(rights.KEDA, TOPICS)
    assert {right.operation for right in found} == {Operation.DESCRIBE}
    assert topics_with(Operation.DESCRIBE, found) == {"a.things.v1"}


def test_only_the_lab_has_rights_on_every_name() -> None:
    assert rights.ANY not in {right.name for right in rights.all_rights(contract())}
    assert topics_with(WRITE, rights.rights_of(rights.LAB, TOPICS)) == {rights.ANY}
    assert rights.LAB not in rights.principals(TOPICS)


@pytest.mark.parametrize("unknown", [rights.STACK, "stranger"])
def test_a_principal_outside_of_the_contract_has_no_right(unknown: str) -> None:
    assert rights.rights_of(unknown, TOPICS) == []


def test_each_topic_of_the_contract_has_one_writer_which_is_its_owner() -> None:
    topics = contract()
    everything = rights.all_rights(topics)
    for topic in topics:
        writers = {
            right.principal
            for right in everything
            if right.operation is WRITE and right.name == topic["name"]
        }
        assert writers == {topic["owner"]}
