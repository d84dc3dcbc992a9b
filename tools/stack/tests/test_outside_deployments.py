"""A release is deployed in containers and on a cluster: the commands, and the way back if they fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shop_stack import compose_deployments, kubernetes_deployments, releases
from shop_stack.deployed import Deployed, clone
from shop_stack.errors import UserError
from shop_stack.kubernetes_deployments import with_tag


class Docker:
    """A docker that remembers its commands, and fails those that contain `failing`."""

    def __init__(self, folder: Path) -> None:
        self.commands: list[str] = []
        self.images: list[dict[str, str]] = []
        """The images that the file of deployed images has at each command of docker compose."""
        self.failing = "nothing fails"
        self.times = 1
        """How often a failing command fails."""
        self.built = {"localhost/shopfloor/orders:dev"}
        self.told: dict[str, dict[str, str]] = {}
        """The variables that the file gives each service."""
        self._file = folder / "compose" / compose_deployments.IMAGES_FILE

    def __call__(self, *arguments: str) -> str:
        command = " ".join(arguments)
        self.commands.append(command)
        if arguments[0] == "compose":
            services = json.loads(self._file.read_text())["services"]
            self.images.append({name: service["image"] for name, service in services.items()})
            self.told = {name: service.get("environment", {}) for name, service in services.items()}
        if arguments[0] == "images":
            return "a1b2c3\n" if arguments[-1] in self.built else ""
        if arguments[0] == "build":
            self.built.add(arguments[arguments.index("--tag") + 1])
        if self.failing in command:
            self.times -= 1
            self.failing = self.failing if self.times else "nothing fails"
            raise UserError("docker failed: no")
        return ""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    made = Docker(tmp_path)
    monkeypatch.setenv("SHOP_STATE", str(tmp_path))
    for variable in ("COMPOSE_FILE", "SHOP_VERSION"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(compose_deployments, "docker", made)
    return made


@pytest.fixture
def release(tmp_path: Path) -> Deployed:
    (tmp_path / "code" / "services" / "orders").mkdir(parents=True)
    return Deployed("orders", "0.1.1", tmp_path / "code", "abc")


def test_a_container_is_replaced_by_one_of_the_releases_image(engine: Docker, release: Deployed) -> None:
    outcome = compose_deployments.deploy(release)
    assert (outcome.now, outcome.before.is_clone) == (release, True)
    assert "container is stopped" in outcome.gap
    build, migrate, up = engine.commands
    assert build == (
        f"build --file {release.folder}/services/orders/Dockerfile --tag localhost/shopfloor/orders:0.1.1 "
        f"--build-arg VERSION=0.1.1 --build-arg REVISION=abc {release.folder}"
    )
    assert migrate.endswith("run --rm --no-deps orders-migrations")
    assert up.endswith("up --detach --no-deps --no-build --wait orders")
    image = "localhost/shopfloor/orders:0.1.1"
    assert engine.images == [{"orders": image, "orders-migrations": image}] * 2
    assert engine.told == {"orders": {"SHOP_IMAGE": image}, "orders-migrations": {}}


def test_the_image_of_the_clone_tells_its_commit(engine: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise `shop can-i-deploy` could not find out what runs."""
    monkeypatch.setattr(releases, "revision", lambda: "abc-dirty")
    compose_deployments.deploy(clone("orders"))
    version = releases.version_of(clone("orders").project)
    assert f"--build-arg VERSION={version} --build-arg REVISION=abc-dirty" in engine.commands[0]


def test_a_rollback_builds_an_image_only_if_it_is_gone(engine: Docker, release: Deployed) -> None:
    """A clone that was edited since must not come back as the release from before."""
    compose_deployments.deploy(release)
    del engine.commands[:]
    compose_deployments.rollback("orders")
    assert [command for command in engine.commands if command.startswith("build")] == []
    engine.built.clear()
    compose_deployments.rollback("orders")
    assert [command for command in engine.commands if command.startswith("build")] != []


def test_if_neither_release_starts_both_reasons_are_told(engine: Docker, release: Deployed) -> None:
    engine.failing = "--wait orders"
    engine.times = 2
    with pytest.raises(
        UserError, match=r"0\.1\.1 does not start \(docker failed.*clone does not either: docker"
    ):
        compose_deployments.deploy(release)


def test_a_container_goes_back_to_the_image_from_before(engine: Docker, release: Deployed) -> None:
    with pytest.raises(UserError, match="orders has no release to go back to"):
        compose_deployments.rollback("orders")
    compose_deployments.deploy(release)
    assert compose_deployments.rollback("orders").now.is_clone
    assert engine.images[-1]["orders"] == "localhost/shopfloor/orders:dev"
    assert compose_deployments.rollback("orders").now == release


@pytest.mark.parametrize("failing", ["orders-migrations", "--wait orders"])
def test_a_release_that_does_not_start_in_a_container_is_replaced_by_the_one_from_before(
    engine: Docker, release: Deployed, failing: str
) -> None:
    engine.failing = failing
    with pytest.raises(
        UserError, match=r"orders 0\.1\.1 does not start, so orders from the clone runs again"
    ):
        compose_deployments.deploy(release)
    assert engine.commands[-1].endswith("--wait orders")
    assert engine.images[-1]["orders"] == "localhost/shopfloor/orders:dev"
    with pytest.raises(UserError, match="orders has no release to go back to"):
        compose_deployments.rollback("orders")


def test_an_unknown_service_has_no_container() -> None:
    with pytest.raises(UserError, match="There is no service 'billing'"):
        compose_deployments.deploy(clone("billing"))


class Cluster:
    """A kubectl whose cluster has the two Deployments of orders."""

    def __init__(self) -> None:
        self.images = dict.fromkeys(("orders-api", "orders-worker"), "registry.example/shop/orders:0.1.0")
        self.migrations = dict(self.images)
        self.annotations: dict[str, dict[str, str]] = {name: {} for name in self.images}
        self.is_rolled_out = True

    def __call__(self, *arguments: str) -> str:
        match arguments:
            case ("get", deployment, *_):
                return json.dumps(self._deployment(deployment.removeprefix("deployment/")))
            case ("patch", deployment, "--type=strategic", patch):
                name = deployment.removeprefix("deployment/")
                pod = json.loads(patch.removeprefix("--patch="))["spec"]["template"]["spec"]
                [container], [migration] = pod["containers"], pod["initContainers"]
                assert (container["name"], migration["name"]) == (name.removeprefix("orders-"), "migrate")
                assert container["env"] == [{"name": "SHOP_IMAGE", "value": container["image"]}]
                self.images[name] = container["image"]
                self.migrations[name] = migration["image"]
            case ("annotate", "--overwrite", deployment, annotation):
                key, _, value = annotation.partition("=")
                self.annotations[deployment.removeprefix("deployment/")][key] = value
            case ("rollout", "status", *_):
                if not self.is_rolled_out:
                    raise UserError("kubectl failed: timed out waiting for the condition")
        return ""

    def _deployment(self, name: str) -> Any:
        if name not in self.images:
            raise UserError(f"kubectl failed: deployments.apps {name!r} not found")
        container = {"name": name.removeprefix("orders-"), "image": self.images[name]}
        return {
            "metadata": {"annotations": self.annotations[name]},
            "spec": {"template": {"spec": {"containers": [container]}}},
        }


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    cluster = Cluster()
    monkeypatch.setattr(kubernetes_deployments, "kubectl", cluster)
    return cluster


def test_both_deployments_of_a_service_and_their_migrations_get_the_image(cluster: Cluster) -> None:
    outcome = kubernetes_deployments.deploy("orders", "0.1.1")
    assert (outcome.now.version, outcome.before.version, outcome.gap) == ("0.1.1", "0.1.0", "")
    new = "registry.example/shop/orders:0.1.1"
    assert set(cluster.images.values()) == set(cluster.migrations.values()) == {new}

    assert kubernetes_deployments.rollback("orders").now.version == "0.1.0"
    assert set(cluster.images.values()) == {"registry.example/shop/orders:0.1.0"}
    assert kubernetes_deployments.rollback("orders").now.version == "0.1.1"


def test_the_same_image_again_leaves_the_way_back(cluster: Cluster) -> None:
    kubernetes_deployments.deploy("orders", "0.1.1")
    kubernetes_deployments.deploy("orders", "0.1.1")
    assert kubernetes_deployments.rollback("orders").now.version == "0.1.0"


def test_an_image_that_is_not_rolled_out_is_taken_back(cluster: Cluster) -> None:
    cluster.is_rolled_out = False
    with pytest.raises(
        UserError, match=r"orders:0\.1\.1 was not rolled out, so .*orders:0\.1\.0 is set again"
    ):
        kubernetes_deployments.deploy("orders", "0.1.1")
    assert set(cluster.images.values()) == {"registry.example/shop/orders:0.1.0"}
    with pytest.raises(UserError, match="orders has no release to go back to"):
        kubernetes_deployments.rollback("orders")


@pytest.mark.parametrize(
    ("service", "version", "told"),
    [
        ("billing", "0.1.1", "There is no service 'billing'"),
        ("orders", "clone", "A cluster runs images"),
        ("payments", "0.1.1", "not found"),
    ],
)
def test_what_a_cluster_cannot_run_is_told(cluster: Cluster, service: str, version: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        kubernetes_deployments.deploy(service, version)


@pytest.mark.parametrize(
    ("image", "other"),
    [
        ("localhost/shopfloor/orders:dev", "localhost/shopfloor/orders:1"),
        ("registry.example:5000/shop/orders:0.1.0@sha256:abc", "registry.example:5000/shop/orders:1"),
        ("registry.example:5000/shop/orders", "registry.example:5000/shop/orders:1"),
        ("orders", "orders:1"),
    ],
)
def test_a_tag_is_replaced(image: str, other: str) -> None:
    assert with_tag(image, "1") == other
