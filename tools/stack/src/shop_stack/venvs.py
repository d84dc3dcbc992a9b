"""One virtual environment per service, built only from the service's own lock file."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from shop_stack.errors import UserError
from shop_stack.paths import repository
from shop_stack.process import run

NETWORK_SIGNS = ("error sending request", "failed to fetch", "dns error", "connect", "timed out", "network")


@dataclass(frozen=True)
class Project:
    """A Python project with its own lock file: a service, the card processor, or the issuer."""

    name: str
    folder: Path
    libraries: tuple[Path, ...] = ()
    """Projects of this repository that it imports. They are installed in its environment, editable as it is itself."""
    beside: tuple[Path, ...] = ()
    """Further projects that run in the same process. Their locks and they themselves are installed, too."""

    @property
    def venv(self) -> Path:
        return repository() / ".shop" / "venvs" / self.name

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def lock(self) -> Path:
        return self.folder / "requirements.txt"

    @property
    def locks(self) -> list[Path]:
        """The locks of all projects of the environment."""
        return [folder / "requirements.txt" for folder in (self.folder, *self.beside)]

    @property
    def installed(self) -> list[Path]:
        """The projects of this repository in the environment."""
        return [*self.libraries, self.folder, *self.beside]


def service(name: str) -> Project:
    root = repository()
    return Project(name, root / "services" / name, (root / "libs" / "chassis",))


def group(names: Sequence[str]) -> Project:
    """One environment for several services. Their locks must agree, as `make lock` writes them."""
    first, *others = (service(name) for name in names)
    beside = tuple(other.folder for other in others)
    return Project("+".join(names), first.folder, first.libraries, beside)


def processor() -> Project:
    return Project("processor", repository() / "tools" / "processor")


def issuer() -> Project:
    return Project("issuer", repository() / "tools" / "issuer")


def uv() -> Path:
    """The program uv: the one that the variable UV names, else the one on PATH, else the private one of the Makefile.

    Raises UserError if there is none.
    """
    private = repository() / ".shop" / "uv" / "bin" / "uv"
    found = shutil.which(os.environ.get("UV") or "uv") or shutil.which(private)
    if found is None:
        raise UserError(
            "uv is missing, and it builds the services' environments: run `make up`, which installs it."
        )
    return Path(found)


async def ensure(project: Project) -> bool:
    """Build the project's environment unless it is up to date. Returns whether it was built.

    Raises UserError if a package can neither be found in uv's cache nor downloaded.
    """
    stamp = project.venv / ".shop-stamp"
    wanted = _stamp(project)
    if _read(stamp) == wanted:
        return False
    async with _alone(project):
        if _read(stamp) == wanted:
            return False
        stamp.unlink(missing_ok=True)
        await _build(project)
        stamp.write_text(wanted)
    return True


def is_current(project: Project) -> bool:
    """Whether the project's environment is up to date."""
    return _read(project.venv / ".shop-stamp") == _stamp(project)


async def _build(project: Project) -> None:
    program = str(uv())
    if not project.python.exists():
        await _step(
            project, [program, "venv", "--quiet", "--clear", "--python", sys.executable, str(project.venv)]
        )
    into = ["--python", str(project.python)]
    await _step(
        project, [program, "pip", "sync", "--quiet", *into, "--require-hashes", *map(str, project.locks)]
    )
    local = [part for folder in project.installed for part in ("--editable", str(folder))]
    await _step(project, [program, "pip", "install", "--quiet", *into, "--no-deps", *local])
    # Compiled now, by the interpreter that will run it, so that no start has to compile it.
    await _step(
        project, [str(project.python), "-m", "compileall", "-q", "-j", "1", str(project.venv / "lib")]
    )


async def _step(project: Project, argv: Sequence[str]) -> None:
    code, output = await run(argv, env=_environment(), cwd=project.folder)
    if code != 0:
        raise _build_error(project, output)


def _build_error(project: Project, output: str) -> UserError:
    reason = " ".join(line.strip(" ×│╰─▶├") for line in output.splitlines())[-400:]
    if any(sign in output.lower() for sign in NETWORK_SIGNS):
        return UserError(
            f"The packages of {project.name} could not be downloaded, and uv's cache lacks them: "
            f"connect to the network (or set HTTPS_PROXY) and try again. The reason was: {reason}"
        )
    return UserError(f"The environment of {project.name} could not be built from {project.lock}: {reason}")


def _environment() -> Mapping[str, str]:
    """This process's environment, without variables of the virtual environment that it runs in."""
    unwanted = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if name not in unwanted}


def _stamp(project: Project) -> str:
    # Two releases of one number may lie in two folders, and an environment has one of them.
    digest = hashlib.sha256(f"{sys.version}\n{project.venv}\n{project.folder}".encode())
    manifests = [folder / "pyproject.toml" for folder in project.installed]
    for file in (*project.locks, *manifests):
        try:
            digest.update(file.read_bytes())
        except FileNotFoundError:
            raise UserError(f"{file} is missing: restore it with `git checkout`.") from None
    return digest.hexdigest()


def _read(stamp: Path) -> str | None:
    try:
        return stamp.read_text()
    except OSError:
        return None


@asynccontextmanager
async def _alone(project: Project) -> AsyncIterator[None]:
    """Lock the environment: two stacks of one clone share it, so only one may build it at a time."""
    project.venv.parent.mkdir(parents=True, exist_ok=True)
    with (project.venv.parent / f"{project.name}.lock").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        yield
