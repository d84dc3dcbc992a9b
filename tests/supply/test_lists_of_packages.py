"""`make sbom` lists what each image's lock has, and `make audit` says what it could not check."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = "http://127.0.0.1:9"
"""A proxy that refuses every connection: a machine without network."""
LOCKS = {
    **{path.parent.name: path for path in ROOT.glob("services/*/requirements.txt")},
    "processor": ROOT / "tools/processor/requirements.txt",
    "topics": ROOT / "tools/stack/image-requirements.txt",
}
"""Image of ours → the lock that it is made of."""
LOCKED = re.compile(r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;]+)", re.MULTILINE)

pytestmark = pytest.mark.xdist_group("supply")


def make(target: str, **more: str) -> "subprocess.CompletedProcess[str]":
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--silent", target]
    return subprocess.run(
        command, cwd=ROOT, env=inherited | more, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module", autouse=True)
def _environment() -> None:
    """`make sbom` and `make audit` have an environment of their own. Only here a network is needed."""
    prepared = make("supply-environment")
    assert prepared.returncode == 0, prepared.stderr


@pytest.fixture(scope="module")
def lists() -> dict[str, dict[str, Any]]:
    """Image → its list, made without a network: the packages are in uv's cache, because the shop runs from them."""
    made = make("sbom", HTTP_PROXY=NOWHERE, HTTPS_PROXY=NOWHERE, ALL_PROXY=NOWHERE)
    assert made.returncode == 0, made.stderr
    names = [Path(line).name.partition(".")[0] for line in made.stdout.splitlines() if line.endswith(".json")]
    return {name: json.loads((ROOT / f".shop/sbom/{name}.cdx.json").read_text()) for name in names}


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


def test_a_package_that_a_list_lacks_is_seen(lists: Mapping[str, Any]) -> None:
    lock = LOCKS["orders"].read_text() + "\nplanted==1.0 \\\n    --hash=sha256:0\n"
    assert locked(lock) - listed(lists["orders"]) == {("planted", "1.0")}


def test_without_a_network_an_audit_says_not_checked_and_is_not_green(tmp_path: Path) -> None:
    asked = make(
        "audit",
        HTTP_PROXY=NOWHERE,
        HTTPS_PROXY=NOWHERE,
        ALL_PROXY=NOWHERE,
        XDG_CACHE_HOME=str(tmp_path),
        PIP_CACHE_DIR=str(tmp_path / "pip"),
    )
    assert asked.returncode != 0
    assert (
        "services/orders/requirements.txt: not checked: the vulnerability service is not reachable"
        in asked.stdout
    )
    assert "0 locked versions checked" in asked.stdout
