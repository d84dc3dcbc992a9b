"""In production no database loses what it has answered, and each can be brought back."""

from collections.abc import Iterator, Sequence

import pytest

from tests.kubernetes.rendered import SERVICES, Object, find, of_kind, rendered

ARCHIVER = "barman-cloud.cloudnative-pg.io"


def clusters(objects: Sequence[Object]) -> list[Object]:
    return [one for one in of_kind(objects, "Cluster") if one["apiVersion"].startswith("postgresql.cnpg.io/")]


def faults(objects: Sequence[Object]) -> Iterator[str]:
    """What could lose data of each database."""
    backed_up = {
        one["spec"]["cluster"]["name"]
        for one in of_kind(objects, "ScheduledBackup")
        if one["spec"]["method"] == "plugin"
        and one["spec"]["pluginConfiguration"]["name"] == ARCHIVER
        and not one["spec"].get("suspend")
    }
    stores = {one["metadata"]["name"] for one in of_kind(objects, "ObjectStore")}
    for cluster in clusters(objects):
        name, spec = cluster["metadata"]["name"], cluster["spec"]
        synchronous = spec["postgresql"].get("synchronous", {})
        if synchronous.get("number", 0) < 1 or synchronous.get("dataDurability", "required") != "required":
            yield f"{name} answers a commit that one instance has"
        if not synchronous.get("failoverQuorum"):
            yield f"{name} may promote an instance that lacks commits"
        if spec["instances"] < synchronous.get("number", 0) + 2:
            yield f"{name} stops when one instance does"
        archives = [
            plugin["parameters"]["barmanObjectName"]
            for plugin in spec.get("plugins", [])
            if plugin["name"] == ARCHIVER and plugin.get("isWALArchiver")
        ]
        if not set(archives) & stores:
            yield f"{name} archives no write-ahead log"
        if name not in backed_up:
            yield f"{name} has no backups"


def test_production_replicates_synchronously_and_has_backups() -> None:
    objects = rendered("prod")
    assert {one["metadata"]["name"] for one in clusters(objects)} == {f"{name}-db" for name in SERVICES}
    assert list(faults(objects)) == []


def test_backups_are_kept_for_longer_than_any_topic_and_inbox() -> None:
    assert find(rendered("prod"), "ObjectStore", "backups")["spec"]["retentionPolicy"] == "30d"


def test_a_single_instance_waits_for_no_other() -> None:
    for cluster in clusters(rendered("operators")):
        assert cluster["spec"]["instances"] == 1
        assert "synchronous" not in cluster["spec"]["postgresql"]


@pytest.mark.parametrize(
    ("planted", "fault"),
    [
        ("asynchronous", "orders-db answers a commit that one instance has"),
        ("preferred", "orders-db answers a commit that one instance has"),
        ("any failover", "orders-db may promote an instance that lacks commits"),
        ("two instances", "orders-db stops when one instance does"),
        ("no archive", "orders-db archives no write-ahead log"),
        ("no store", "orders-db archives no write-ahead log"),
        ("no schedule", "orders-db has no backups"),
    ],
)
def test_a_database_that_could_lose_data_is_caught(planted: str, fault: str) -> None:
    objects = rendered("prod")
    spec = next(one for one in clusters(objects) if one["metadata"]["name"] == "orders-db")["spec"]
    match planted:
        case "asynchronous":
            del spec["postgresql"]["synchronous"]
        case "preferred":
            spec["postgresql"]["synchronous"]["dataDurability"] = "preferred"
        case "any failover":
            spec["postgresql"]["synchronous"]["failoverQuorum"] = False
        case "two instances":
            spec["instances"] = 2
        case "no archive":
            del spec["plugins"]
        case "no store":
            objects = [one for one in objects if one["kind"] != "ObjectStore"]
        case "no schedule":
            objects.remove(find(objects, "ScheduledBackup", "orders-db"))
    assert fault in list(faults(objects))
