"""`shop images`: digests are written from a registry's answer, and an answer that is missing is never green."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from shop.cli import app
from shop.supply import images, registry
from shop.supply.images import State
from shop_stack.containers import KAFKA_IMAGE, POSTGRES_IMAGE

ROOT = Path(__file__).resolve().parents[3]
TAGS = {
    "apache/kafka:4.3.1",
    "grafana/grafana:12.4.0",
    "jaegertracing/jaeger:2.13.0",
    "otel/opentelemetry-collector:0.130.1",
    "postgres:18",
    "prom/prometheus:v3.7.3",
    "python:3.13-slim",
}
"""Every image of another project that this repository names."""
AWAY = "ERROR: failed to do request: dial tcp: lookup registry.example: no such host"


def digest(text: str) -> str:
    """A digest for tests: one character, repeated."""
    return "sha256:" + text * 64


DIGESTS = {tag: digest(character) for tag, character in zip(sorted(TAGS), "abcdef1", strict=True)}
"""A registry that has every tag."""


def write_docker(folder: Path, known: Mapping[str, str], otherwise: str) -> None:
    """A `docker` that prints what is known of an image, and fails for every other one with these words."""
    cases = "".join(f"'{image}') echo '{answer}' ;;\n" for image, answer in known.items())
    program = folder / "docker"
    program.write_text(
        "#!/bin/sh\nfor image; do :; done\n"
        f'case "$image" in\n{cases}*) echo "{otherwise}" >&2; exit 1 ;;\nesac\n'
    )
    program.chmod(0o755)


class Registry:
    """What docker answers; without a call of one of the methods there is no docker at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, digests: Mapping[str, str]) -> None:
        """It has these tags, each of these digests, and nothing else."""
        by_digest = {f"{tag}@{value}": value for tag, value in digests.items()}
        answers = {image: f'"{value}"' for image, value in {**digests, **by_digest}.items()}
        write_docker(self.folder, answers, "ERROR: $image: not found")

    def is_away(self) -> None:
        write_docker(self.folder, {}, AWAY)

    def answers(self, text: str) -> None:
        write_docker(self.folder, dict.fromkeys(TAGS, text), AWAY)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with the files that name images, without their digests; the current folder."""
    root = tmp_path / "clone"
    for folder in ("contracts", "services"):
        (root / folder).mkdir(parents=True)
    paths = [path for pattern, _ in images.PLACES for path in ROOT.glob(pattern)]
    for path in paths:
        copy = root / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(re.sub(r"@sha256:[0-9a-f]{64}", "", path.read_text()))
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def docker(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The registry that the clone's commands ask."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sh").symlink_to(shutil.which("sh") or "/bin/sh")
    monkeypatch.setenv("PATH", str(folder))
    return Registry(folder)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["images", *arguments])


def states(*arguments: str) -> dict[str, str]:
    """Tag → its state, as the command prints it as JSON."""
    return {images.tag_of(one["image"]): one["state"] for one in json.loads(run(*arguments, "--json").stdout)}


def contents(root: Path) -> dict[Path, str]:
    return {path: path.read_text() for path in root.rglob("*") if path.is_file()}


def test_every_image_that_this_repository_names_is_found(clone: Path) -> None:
    named = images.named_images(clone)
    assert set(named) == TAGS
    stages = sum(path.read_text().count("\nFROM ") for path in clone.glob("*/*/Dockerfile"))
    assert len(named["python:3.13-slim"]) == stages
    containers = "tools/stack/src/shop_stack/containers.py"
    assert {images.tag_of(image) for image in (POSTGRES_IMAGE, KAFKA_IMAGE)} == {
        image for image, files in named.items() if containers in files
    }


@pytest.mark.parametrize(
    "image",
    ["localhost/shopfloor/orders:dev", "registry.example/shopfloor/orders:1", "code", "a/b:${VERSION}"],
)
def test_images_of_ours_and_stages_are_asked_about_nowhere(image: str) -> None:
    assert not images.is_foreign(image)


def test_pin_writes_what_the_registry_answered_into_every_line(clone: Path, docker: Registry) -> None:
    docker.has(DIGESTS)
    assert run("pin").exit_code == 0
    assert set(images.named_images(clone)) == {f"{tag}@{value}" for tag, value in DIGESTS.items()}
    dockerfile = (clone / "services/orders/Dockerfile").read_text()
    assert f"FROM python:3.13-slim@{DIGESTS['python:3.13-slim']} AS lock\n" in dockerfile
    composed = yaml.safe_load((clone / "docker-compose.yml").read_text())["services"]
    assert composed["postgres"]["image"] == f"postgres:18@{DIGESTS['postgres:18']}"
    assert composed["orders"]["image"] == "localhost/shopfloor/orders:${SHOP_VERSION:-dev}"
    assert run("check").exit_code == 0
    assert set(states("check").values()) == {State.PINNED}


def test_pin_changes_nothing_but_digests_and_takes_the_new_one_of_a_moved_tag(
    clone: Path, docker: Registry
) -> None:
    before = contents(clone)
    docker.has(DIGESTS)
    run("pin")
    docker.has(DIGESTS | {"postgres:18": digest("0")})
    run("pin")
    assert f"postgres:18@{digest('0')}" in images.named_images(clone)
    assert {path: re.sub(r"@sha256:\w{64}", "", text) for path, text in contents(clone).items()} == before


def test_an_image_without_a_digest_fails_and_the_cure_is_named(docker: Registry) -> None:
    docker.has(DIGESTS)
    result = run("check")
    assert result.exit_code == 1
    assert result.stdout.count("not pinned") == len(TAGS)
    assert "`shop images pin` writes the digests" in result.stdout


def test_a_digest_that_the_registry_does_not_have_fails(clone: Path, docker: Registry) -> None:
    docker.has(DIGESTS)
    run("pin")
    file = clone / "docker-compose.yml"
    file.write_text(file.read_text().replace(DIGESTS["postgres:18"], digest("9")))
    found = {finding.image: finding.state for finding in images.examine(clone)}
    assert found[f"postgres:18@{digest('9')}"] is State.UNKNOWN
    assert run("check").exit_code == 1


def test_a_tag_that_has_moved_on_is_told_and_passes(docker: Registry) -> None:
    docker.has(DIGESTS)
    run("pin")
    moved = {"postgres:18": digest("0"), f"postgres:18@{DIGESTS['postgres:18']}": DIGESTS["postgres:18"]}
    docker.has(DIGESTS | moved)
    assert states("check")["postgres:18"] == State.MOVED
    assert run("check").exit_code == 0


@pytest.mark.parametrize("is_pinned", [False, True])
def test_where_no_registry_answers_each_image_is_not_resolved_and_the_exit_code_is_3(
    docker: Registry, is_pinned: bool
) -> None:
    if is_pinned:
        docker.has(DIGESTS)
        run("pin")
    docker.is_away()
    result = run("check")
    assert result.exit_code == 3
    assert result.stdout.count("not resolved here") == len(TAGS)
    assert "✓" not in result.stdout
    assert "Not resolved is not a pass" in result.stdout


def test_without_docker_nothing_is_resolved(docker: Registry) -> None:
    result = run("check", "--json")
    assert result.exit_code == 3
    assert {one["detail"] for one in json.loads(result.stdout)} == {"there is no docker on the PATH"}


@pytest.mark.parametrize("answer", ['"sha256:short"', '"latest"', "Name: postgres:18", '{"a": 1}', ""])
def test_an_answer_that_is_not_a_digest_is_written_nowhere(
    clone: Path, docker: Registry, answer: str
) -> None:
    before = contents(clone)
    docker.answers(answer)
    assert run("pin").exit_code == 3
    assert contents(clone) == before
    with pytest.raises(registry.Unresolved):
        registry.digest_in(answer)


@pytest.mark.parametrize(
    ("complaint", "reason"),
    [
        (
            "docker: unknown command: docker buildx\n\nRun 'docker --help'\n",
            "docker has no buildx plugin",
        ),
        ("unknown flag: --format\n\nUsage:  docker [OPTIONS]\n", "docker has no buildx plugin"),
        ("Cannot connect\nTry again\n", "Cannot connect"),
        ("#1 asking\nERROR: no such host\n", "no such host"),
        ("", "docker gave no reason"),
    ],
)
def test_the_reason_is_the_line_that_says_it(complaint: str, reason: str) -> None:
    assert registry.reason_in(complaint) == reason


def test_pin_writes_what_is_resolved_and_tells_the_rest(clone: Path, docker: Registry) -> None:
    write_docker(docker.folder, {"postgres:18": f'"{digest("a")}"'}, AWAY)
    found = states("pin")
    assert found.pop("postgres:18") == State.PINNED
    assert set(found.values()) == {State.UNRESOLVED}
    assert f"postgres:18@{digest('a')}" in images.named_images(clone)


def test_a_clone_that_names_no_image_is_not_green(clone: Path, docker: Registry) -> None:
    for path in contents(clone):
        path.unlink()
    assert run("check").exit_code == 3
