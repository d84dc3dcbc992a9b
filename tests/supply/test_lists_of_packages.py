"""`make sbom` lists what each image's lock has, and `make audit` says what it could not check."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".shop" / "sbom"
NO_NETWORK = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
"""A proxy that refuses every connection."""
LOCKS = {
    **{path.parent.name: path for path in ROOT.glob("services/*/requirements.txt")},
    "processor": ROOT / "tools/processor/requirements.txt",
    "issuer": ROOT / "tools/issuer/requirements.txt",
    "topics": ROOT / "tools/stack/image-requirements.txt",
    "floor": ROOT / "tools/floor/image-requirements.txt",
}
"""Image of ours → the lock that it is made of."""
LOCKED = re.compile(r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;]+)", re.MULTILINE)


def make(*arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "ARGS"))}
    command = ["make", "--silent", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=inherited | more, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module", autouse=True)
def _environment() -> None:
    """The tools are installed, and the packages of each image are in uv's cache. Only this may need a network."""
    prepared = make("supply-environment", "sbom", "ARGS=--no-validate")
    assert prepared.returncode == 0, prepared.stderr


@pytest.fixture(scope="module")
def lists() -> dict[str, dict[str, Any]]:
    """Image → its list, made without a network."""
    for path in FOLDER.glob("*.json"):
        path.unlink()
    made = make("sbom", "ARGS=--no-validate", **NO_NETWORK)
    assert made.returncode == 0, made.stderr
    return {path.name.partition(".")[0]: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}


def locked(lock: str) -> set[tuple[str, str]]:
    """Name and version of each package of a lock."""
    return {(name.lower().replace("_", "-"), version) for name, version in LOCKED.findall(lock)}


def listed(document: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Name and version of each package of a CycloneDX list."""
    return {(re.sub(r"[-_.]+", "-", one["name"]).lower(), one["version"]) for one in document["components"]}


def test_each_image_has_a_list(lists: Mapping[str, Any]) -> None:
    assert set(lists) == set(LOCKS)


@pytest.mark.parametrize("name", sorted(LOCKS))
def test_a_list_has_the_packages_of_the_lock_their_licences_and_what_they_depend_on(
    lists: Mapping[str, Any], name: str
) -> None:
    document = lists[name]
    assert document["bomFormat"] == "CycloneDX"
    assert listed(document) == locked(LOCKS[name].read_text())
    assert any("licenses" in one for one in document["components"])
    assert any(one.get("dependsOn") for one in document["dependencies"])


def test_a_list_is_valid_by_the_schema_of_cyclonedx() -> None:
    """cyclonedx-py compares its output with the schema, and ends with an error if they differ."""
    made = make("sbom-topics")
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines()[-1] == ".shop/sbom/topics.cdx.json"


def test_a_package_that_a_list_lacks_is_seen(lists: Mapping[str, Any]) -> None:
    lock = LOCKS["orders"].read_text() + "\nplanted==1.0 \\\n    --hash=sha256:0\n"
    assert locked(lock) - listed(lists["orders"]) == {("planted", "1.0")}


def test_without_a_network_an_audit_says_not_checked_and_is_not_green(tmp_path: Path) -> None:
    caches = {"XDG_CACHE_HOME": str(tmp_path), "PIP_CACHE_DIR": str(tmp_path / "pip")}
    asked = make("audit", **NO_NETWORK, **caches)
    assert asked.returncode != 0
    assert (
        "services/orders/requirements.txt: not checked: the vulnerability service is not reachable"
        in asked.stdout
    )
    assert "0 locked versions checked" in asked.stdout
