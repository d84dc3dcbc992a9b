"""Images are small, hold one service's code, and run locked."""

import json
import re
import subprocess

import pytest

from shop_stack import compose
from shop_stack.errors import UserError
from shop_stack.ports import SERVICES

from .conftest import Containers

MOST_ABOVE_BASE = 100 * 10**6
"""Of it 23 MB are `cryptography`, which checks the signatures of tokens (docs/decisions/0033)."""
OWN_IMAGES = (*SERVICES, "processor", "issuer", "spans")
# Printed by the container itself: who it is, what it may do, and what it can write.
LOOK = """
import json, os, pathlib
def writable(folder):
    try:
        pathlib.Path(folder, "planted").touch()
    except OSError:
        return False
    return True
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "root": os.getuid() == 0 or os.getgid() == 0,
    "capabilities": int(status["CapEff"], 16) != 0,
    "new privileges": status["NoNewPrivs"].strip() != "1",
    "writable": [folder for folder in ("/", "/app", "/usr", "/var/tmp", "/opt/venv") if writable(folder)],
}))
"""


def looseness(seen: str) -> list[str]:
    """What of LOOK's answer is not locked."""
    return [f"{name}: {found}" for name, found in json.loads(seen).items() if found]


def bytes_above_base(image: str) -> int:
    """The layers down to the first of the Dockerfile's last stage, which compiles the standard library."""
    total = 0
    for line in compose.docker(
        "history", "--no-trunc", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}", image
    ).splitlines():
        size, _, made_by = line.partition(" ")
        total += int(size)
        if "compileall" in made_by:
            return total
    raise AssertionError(f"{image} is built otherwise than this test knows")


@pytest.mark.parametrize("name", OWN_IMAGES)
def test_an_image_adds_little_to_its_base(containers: Containers, name: str) -> None:
    assert bytes_above_base(containers.services[name]["image"]) <= MOST_ABOVE_BASE


@pytest.mark.parametrize("name", OWN_IMAGES)
def test_a_container_is_locked(containers: Containers, name: str) -> None:
    seen = compose.docker("compose", "exec", "--no-TTY", name, "python", "-c", LOOK)
    assert looseness(seen) == []


def test_a_container_that_is_not_locked_is_seen(containers: Containers) -> None:
    image = containers.services["orders"]["image"]
    seen = compose.docker("run", "--rm", "--user", "0", image, "python", "-c", LOOK)
    assert [said.partition(":")[0] for said in looseness(seen)] == [
        "root",
        "capabilities",
        "new privileges",
        "writable",
    ]


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_holds_one_service_and_no_compiler(containers: Containers, name: str) -> None:
    image = containers.services[name]["image"]
    assert compose.docker("run", "--rm", image, "ls", "src").split() == sorted(["chassis", name])
    with pytest.raises(UserError):
        compose.docker(
            "run", "--rm", image, "sh", "-c", "command -v cc || command -v gcc || command -v strip"
        )


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_says_what_it_is(containers: Containers, name: str) -> None:
    image = containers.services[name]["image"]
    (found,) = json.loads(compose.docker("image", "inspect", image))
    labels = found["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == f"shopfloor/{name}"
    assert {"description", "version", "revision", "licenses"} <= {
        label.rpartition(".")[2] for label in labels
    }


def test_everything_is_compiled(containers: Containers) -> None:
    """A read-only container could keep nothing of what it compiles."""
    image = containers.services["orders"]["image"]
    said = subprocess.run(
        ["docker", "run", "--rm", "--read-only", image, "python", "-v", "-c", "import orders.main, asyncio"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    assert re.findall(r"code object from '(.*[.]pyc)'", said)
    assert re.findall(r"code object from '(.*[.]py)'", said) == []
