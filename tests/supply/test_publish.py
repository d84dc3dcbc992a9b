"""`make publish` builds every image with an SBOM and provenance, and says what it lacks."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WHERE_AND_WHAT = ("SHOP_REGISTRY=registry.example", "SHOP_VERSION=0.2.0")
DOCKER = (
    '#!/bin/sh\n[ "$2" = version ] || printf "%s\\n" "$*" "version $SHOP_VERSION" "revision $SHOP_REVISION"\n'
)
"""A `docker` that has buildx and prints what it is asked to build."""


def publish(folder: Path, *arguments: str, docker: str = DOCKER) -> "subprocess.CompletedProcess[str]":
    """`make publish` with a docker of the test's own."""
    (folder / "docker").write_text(docker)
    (folder / "docker").chmod(0o755)
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "ARGS", "SHOP_"))
    }
    surroundings = {**inherited, "PATH": f"{folder}:{os.environ['PATH']}"}
    command = ["make", "--silent", "publish", *arguments]
    return subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False)


def built_here() -> set[str]:
    """The services of docker-compose.yml whose images are built from this repository."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return {name for name, service in services.items() if "build" in service}


def test_each_image_is_built_with_an_sbom_and_provenance_and_pushed(tmp_path: Path) -> None:
    built = publish(tmp_path, *WHERE_AND_WHAT)
    assert built.returncode == 0, built.stderr
    asked, version, revision = built.stdout.splitlines()
    words = asked.split()
    assert words[:4] == ["buildx", "bake", "--file", "docker-compose.yml"]
    assert {"--sbom=true", "--provenance=mode=max", "--push"} <= set(words)
    targets = re.search(r"0\.2\.0 ([a-z ]+)$", asked)
    assert targets is not None
    assert set(targets[1].split()) == built_here()
    tags = {f"{name}.tags=registry.example/shopfloor/{name}:0.2.0" for name in built_here()}
    assert tags <= set(words)
    assert version == "version 0.2.0"
    assert re.fullmatch(r"revision [0-9a-f]{40}", revision)


@pytest.mark.parametrize("given", [(), WHERE_AND_WHAT[:1], WHERE_AND_WHAT[1:]])
def test_without_a_registry_or_a_version_there_is_one_sentence(
    tmp_path: Path, given: tuple[str, ...]
) -> None:
    asked = publish(tmp_path, *given)
    assert asked.returncode != 0
    assert asked.stdout == ""
    assert asked.stderr.startswith("make: registry or version is missing: make publish SHOP_REGISTRY=")


def test_without_buildx_there_is_one_sentence(tmp_path: Path) -> None:
    asked = publish(tmp_path, *WHERE_AND_WHAT, docker="#!/bin/sh\nexit 1\n")
    assert asked.returncode != 0
    assert asked.stderr.startswith(
        "make: docker buildx does not answer: install Docker with its buildx plugin."
    )
