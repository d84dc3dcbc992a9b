"""The Python environment of a release: its own lock, its own code, and the packages of its tests."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
from pathlib import Path

from shop_contracts.releases.model import Release
from shop_stack import venvs
from shop_stack.errors import UserError
from shop_stack.process import run

PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?(?P<rest>==[^\\]*)", re.MULTILINE)
"""A package with its version in a lock; the hashes follow in lines of their own."""


def project_of(release: Release, folder: Path) -> venvs.Project:
    """The project of a release whose code is in `folder`, with the test kit beside the chassis.

    Its environment is not the one that a deployed release runs in, which has no packages of tests.
    """
    libraries = ("libs/chassis", "libs/testkit", "tools/stack")
    return venvs.Project(
        f"{release.name}-tests",
        folder / "services" / release.service,
        tuple(folder / library for library in libraries if (folder / library / "pyproject.toml").is_file()),
    )


async def python_of(release: Release, folder: Path) -> Path:
    """The Python that can run the code and the tests of a release. Its environment is built unless it is there.

    Raises UserError if a package is neither in uv's cache nor can be downloaded.
    """
    project = project_of(release, folder)
    await venvs.ensure(project)
    stamp = project.venv / ".shop-tests-stamp"
    pins = pins_of(project, folder)
    wanted = hashlib.sha256(f"{pins}{(project.venv / '.shop-stamp').read_text()}".encode()).hexdigest()
    with (project.venv.parent / f"{project.name}.packages.lock").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        if not stamp.is_file() or stamp.read_text() != wanted:
            await _add_test_packages(project, pins)
            stamp.write_text(wanted)
    return project.python


def pins_of(project: venvs.Project, folder: Path) -> str:
    """The version of each package: as the service's own lock says, and for all others as the tools' lock says.

    Without it, the tests of an old release would get the packages of today.
    """
    pins: dict[str, str] = {}
    for file in (project.lock, folder / "requirements-dev.txt"):
        if file.is_file():
            for found in PIN.finditer(file.read_text()):
                pins.setdefault(found["name"].lower(), found["rest"].strip())
    return "".join(f"{name}{rest}\n" for name, rest in sorted(pins.items()))


async def _add_test_packages(project: venvs.Project, pins: str) -> None:
    constraints = project.venv / "tests-constraints.txt"
    constraints.write_text(pins)
    command = [str(venvs.uv()), "pip", "install", "--quiet", "--python", str(project.python)]
    command += ["--group", "test", "--constraint", str(constraints)]
    environment = {
        name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")
    }
    # The cache has every package of the locks where `make up` has run, so most machines need no network here.
    for options in (["--offline"], []):
        code, output = await run([*command, *options], env=environment, cwd=project.folder)
        if code == 0:
            return
    reason = " ".join(line.strip(" ×│╰─▶├") for line in output.splitlines())[-400:]
    raise UserError(
        f"The packages of the tests of {project.name.removesuffix('-tests')} could not be installed: connect to the "
        f"network (or set HTTPS_PROXY) and try again. The reason was: {reason}"
    )
