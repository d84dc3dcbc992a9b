"""`make publish` builds every image of its release, with an SBOM and provenance, and says what it lacks."""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from shop.supply import bake
from shop_contracts.releases.release import read, versions

ROOT = Path(__file__).resolve().parents[2]
WHERE_AND_WHAT = ("SHOP_REGISTRY=registry.example", "SHOP_VERSION=0.2.0")
DOCKER = """#!/bin/sh
[ "$2" = version ] && exit
printf "%s\\n" "$@" "version $SHOP_VERSION" "revision $SHOP_REVISION" "ceiling $GIT_CEILING_DIRECTORIES"
"""
"""A `docker` that has buildx and prints what it is asked to build, one argument a line."""


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


def tags(words: Sequence[str]) -> dict[str, str]:
    """Image → its name in the registry."""
    found = (re.fullmatch(r"--set=([a-z]+)\.tags=(.+)", word) for word in words)
    return {match[1]: match[2] for match in found if match}


def test_each_image_is_built_with_an_sbom_and_provenance_and_pushed(tmp_path: Path) -> None:
    built = publish(tmp_path, *WHERE_AND_WHAT)
    assert built.returncode == 0, built.stderr
    words = built.stdout.splitlines()
    assert words[:4] == ["buildx", "bake", "--file", "docker-compose.yml"]
    assert {"--sbom=true", "--provenance=mode=max", "--push"} <= set(words)
    *targets, version, revision, ceiling = [word for word in words[4:] if not word.startswith("--")]
    assert set(targets) == built_here() == tags(words).keys()
    assert version == "version 0.2.0"
    assert re.fullmatch(r"revision [0-9a-f]{40}", revision)
    assert ceiling == f"ceiling {ROOT / '.shop/releases'}"


def test_a_service_is_built_of_its_newest_release_and_a_tool_of_this_clone(tmp_path: Path) -> None:
    words = publish(tmp_path, *WHERE_AND_WHAT[:1], "SHOP_VERSION=7.0.0").stdout.splitlines()
    services = {file.parent.name for file in (ROOT / "services").glob("*/pyproject.toml")}
    for image, name in tags(words).items():
        settings = {word for word in words if word.startswith(f"--set={image}.")}
        if image not in services:
            assert settings == {f"--set={image}.tags=registry.example/shopfloor/{image}:7.0.0"}
            continue
        release = read(ROOT, image, versions(ROOT, image)[-1])
        assert name == f"registry.example/shopfloor/{image}:{release.version}"
        assert settings == {
            f"--set={image}.tags={name}",
            f"--set={image}.context={ROOT / '.shop/releases' / release.name}",
            f"--set={image}.args.VERSION={release.version}",
            f"--set={image}.args.REVISION={release.commit}",
        }


def test_a_service_without_a_release_is_one_sentence_with_the_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for service in ("orders", "billing"):
        (tmp_path / "services" / service).mkdir(parents=True)
        (tmp_path / "services" / service / "pyproject.toml").touch()
    monkeypatch.setattr(bake, "repository", lambda: tmp_path)
    assert bake.main(["registry.example", "7.0.0", "issuer", "billing"]) == 1
    told = capsys.readouterr()
    assert (told.out, told.err) == (
        "",
        "make: billing has no release: make one with `shop release billing`, and commit it.\n",
    )


def test_nothing_is_built_if_a_release_cannot_be_taken_out_of_git(tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho 'make: billing has no release.' >&2\nexit 1\n")
    python.chmod(0o755)
    (tmp_path / "venv" / ".ready").touch()
    asked = publish(tmp_path, *WHERE_AND_WHAT, f"VENV={tmp_path / 'venv'}")
    assert (asked.returncode, asked.stdout) == (2, "")
    assert asked.stderr.startswith("make: billing has no release.")


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
