"""The files that deploy/k8s/generate.py writes are what contracts/topics.yaml says."""

import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from shop_stack import rights

ROOT = Path(__file__).resolve().parents[2]
GENERATE = runpy.run_path(str(ROOT / "deploy" / "k8s" / "generate.py"))


def topics() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(GENERATE["TOPICS"].read_text())["topics"]
    return found


def test_committed_files_are_what_would_be_written() -> None:
    assert GENERATE["main"](["--check"]) == 0


@pytest.mark.parametrize("change", ["another reader", "more partitions", "another owner"])
def test_a_change_of_the_topics_is_noticed(change: str) -> None:
    changed = topics()
    match change:
        case "another reader":
            changed[0]["readers"] = changed[0]["readers"][:-1]
        case "more partitions":
            changed[0]["partitions"] += 1
        case "another owner":
            changed[0]["owner"] = "payments"
    written = GENERATE["files"](changed)
    assert any(path.read_text() != GENERATE["text_of"](objects) for path, objects in written.items())


def test_a_service_may_write_what_it_owns_and_read_what_it_is_a_reader_of() -> None:
    for service in rights.services_of(topics()):
        allowed_to = GENERATE["kafka_user"](service, topics())["spec"]["authorization"]["acls"]
        by_topic = {
            acl["resource"]["name"]: set(acl["operations"])
            for acl in allowed_to
            if acl["resource"]["type"] == "topic"
        }
        assert {name for name, allowed in by_topic.items() if "Write" in allowed} == {
            topic["name"] for topic in topics() if topic["owner"] == service
        }
        assert {name for name, allowed in by_topic.items() if "Read" in allowed} == {
            topic["name"] for topic in topics() if service in topic["readers"]
        }


def test_strimzi_gives_each_user_the_rights_of_the_common_list_and_no_others() -> None:
    for principal in (*rights.principals(topics()), rights.KEDA):
        given = {
            (acl["resource"]["type"], acl["resource"]["name"], acl["resource"]["patternType"], operation)
            for acl in GENERATE["kafka_user"](principal, topics())["spec"]["authorization"]["acls"]
            for operation in acl["operations"]
        }
        assert given == {
            (right.resource, right.name, right.pattern, right.operation)
            for right in rights.rights_of(principal, topics())
        }


def test_two_services_share_no_right_to_write() -> None:
    writers = [
        acl["resource"]["name"]
        for service in rights.services_of(topics())
        for acl in GENERATE["kafka_user"](service, topics())["spec"]["authorization"]["acls"]
        if "Write" in acl["operations"]
    ]
    assert len(writers) == len(set(writers))
