"""A service on Kubernetes reads its passwords from mounted Secrets, so that a new one needs no restart.

A process that has a password in a variable keeps it until it ends. So does one whose file is mounted by `subPath`.
"""

from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.kubernetes.rendered import (
    FIVE_SERVICES,
    OVERLAYS,
    Object,
    find,
    is_service,
    labels_of,
    mounted_secrets,
    name_of,
    of_kind,
    pod_of,
    rendered,
)

IMAGES_GROUP = 10001
"""The group of the user of the images, who reads the files."""
FOLDER = "/run/passwords/database"


def faults(objects: Sequence[Object]) -> Iterator[str]:
    for one in filter(is_service, of_kind(objects, "Deployment")):
        yield from (f"{name_of(one)} {fault}" for fault in database_faults(one))


def database_faults(deployment: Object) -> Iterator[str]:
    """What keeps a service from taking a new password of its database, or lets others read it."""
    pod = pod_of(deployment)
    (container,) = pod["containers"]
    variables = {one["name"]: one.get("value", "") for one in container["env"]}
    service = labels_of(deployment)["app.kubernetes.io/name"]
    if variables.get("DATABASE_PASSWORD_FILE") != f"{FOLDER}/password":
        yield "reads no file"
    if mounted_secrets(deployment).get(FOLDER) != f"{service}-database":
        yield "does not mount its own password"
    in_environment = [
        source["secretRef"]["name"]
        for source in container["envFrom"]
        if source.get("secretRef", {}).get("name", "").endswith("-database")
    ]
    if in_environment or ":$(" in variables["DATABASE_URL"].partition("@")[0]:
        yield "has its password in its environment"
    files = [one["secret"] for one in pod["volumes"] if "password" in one["name"]]
    if any(one.get("defaultMode") != 0o440 for one in files):
        yield "has a password that each user of the pod can read"
    if pod["securityContext"].get("fsGroup") != IMAGES_GROUP:
        yield "cannot read its passwords as the user of the image"


def image_faults(objects: Sequence[Object]) -> list[str]:
    """Processes that do not tell at /version which image they are."""
    containers = {
        name_of(one): pod_of(one)["containers"][0]
        for one in filter(is_service, of_kind(objects, "Deployment"))
    }
    return [
        f"{name} does not tell its image"
        for name, container in containers.items()
        if {"name": "SHOP_IMAGE", "value": container["image"]} not in container["env"]
    ]


@pytest.mark.parametrize("overlay", FIVE_SERVICES)
def test_each_process_reads_its_database_password_from_a_file_that_follows_the_secret(overlay: str) -> None:
    assert list(faults(rendered(overlay))) == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_process_tells_the_name_of_its_image(overlay: str) -> None:
    assert image_faults(rendered(overlay)) == []


def api(objects: Sequence[Object]) -> Object:
    found: Object = pod_of(find(objects, "Deployment", "orders-api"))
    return found


def variable(objects: Sequence[Object], name: str) -> Object:
    found: Object = next(one for one in api(objects)["containers"][0]["env"] if one["name"] == name)
    return found


def mount(objects: Sequence[Object]) -> Object:
    mounts = api(objects)["containers"][0]["volumeMounts"]
    found: Object = next(one for one in mounts if one["mountPath"] == FOLDER)
    return found


def volume(objects: Sequence[Object]) -> Object:
    found: Object = next(one for one in api(objects)["volumes"] if one["name"] == "database-password")
    secret: Object = found["secret"]
    return secret


PLANTED: list[tuple[Callable[[list[Object]], object], str]] = [
    (lambda o: variable(o, "DATABASE_PASSWORD_FILE").update(name="X"), "reads no file"),
    (lambda o: mount(o).update(subPath="password"), "does not mount its own password"),
    (lambda o: volume(o).update(secretName="payments-database"), "does not mount its own password"),
    (
        lambda o: api(o)["containers"][0]["envFrom"].append({"secretRef": {"name": "orders-database"}}),
        "has its password in its environment",
    ),
    (
        lambda o: variable(o, "DATABASE_URL").update(value="postgresql://orders:$(P)@postgres:5432/orders"),
        "has its password in its environment",
    ),
    (lambda o: volume(o).pop("defaultMode"), "has a password that each user of the pod can read"),
    (
        lambda o: api(o)["securityContext"].pop("fsGroup"),
        "cannot read its passwords as the user of the image",
    ),
]


@pytest.mark.parametrize(("plant", "fault"), PLANTED, ids=range(len(PLANTED)))
def test_a_planted_fault_is_seen(plant: Callable[[list[Object]], object], fault: str) -> None:
    objects = rendered("prod")
    plant(objects)
    assert list(faults(objects)) == [f"Deployment orders-api {fault}"]


def test_another_image_than_that_of_the_container_is_seen() -> None:
    objects = rendered("prod")
    variable(objects, "SHOP_IMAGE")["value"] = "unknown"
    assert image_faults(objects) == ["Deployment orders-api does not tell its image"]
