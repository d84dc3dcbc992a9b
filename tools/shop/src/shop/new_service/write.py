"""The steps of `shop new service`: plan, render, edit, generate."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import copier

from shop.new_service import names, places
from shop_stack import paths
from shop_stack.errors import UserError
from shop_stack.ports import SERVICES

TEMPLATE = Path(__file__).with_name("template")
MODEL = "inventory"
"""A service with the dependencies that every service has, and no others. Some of its files are copied unchanged."""
COPIED = ("Dockerfile", "alembic.ini", "migrations/script.py.mako", "requirements.txt")
PIPELINES = Path(".github/workflows")
CHASSIS_SQL = Path("libs/chassis/src/chassis/postgres/sql")
GENERATED = (
    "contracts/asyncapi",
    "contracts/consumers",
    "contracts/openapi",
    "deploy/k8s/base/images.yaml",
    "deploy/k8s/components",
    "deploy/k8s/overlays/prod/images.yaml",
    "deploy/observability/rules",
)


@dataclass(frozen=True)
class Written:
    """The files that the command has written and changed. Paths are relative to the repository's root."""

    name: str
    port: str
    """The two last digits of its public port: 06 is 18006 in the embedded stack and 19006 in Docker Compose.

    Those of its management port are 20 more.
    """
    new: Sequence[str]
    changed: Sequence[str]


def new_service(name: str) -> Written:
    """Write the service `name` into the repository of the current folder.

    All checks are made before the first file is written.

    Raises:
        UserError: the name, the folder, or the state of a file that would be changed is not allowed.
    """
    root = _repository()
    names.require_good(name, root)
    port = f"{len(SERVICES) + 1:02}"
    last = SERVICES[-1]
    words = {
        "name": name,
        "NAME": name.upper(),
        "last": last,
        "LAST": last.upper(),
        "port": port,
        "management": str(20 + int(port)),
    }
    edits = places.edited(root, places.places(), words)
    changing = [*(str(path.relative_to(root)) for path in edits), *GENERATED]
    _require_clean(root, changing)
    with tempfile.TemporaryDirectory(prefix="shop-new-") as folder:
        draft = Path(folder)
        render(name, port, root, draft)
        new = sorted(str(path.relative_to(draft)) for path in draft.rglob("*") if path.is_file())
        if taken := [path for path in new if (root / path).exists()]:
            raise UserError(f"{taken[0]} exists already: remove it, or choose another name.")
        shutil.copytree(draft, root, dirs_exist_ok=True)
    for path, text in edits.items():
        path.write_text(text)
    _generate(root, name)
    changed = _status(root, "--untracked-files=no", changing)
    generated = _status(root, "--untracked-files=all", GENERATED)
    return Written(name, port, sorted({*new, *generated} - {*changed}), changed)


def render(name: str, port: str, root: Path, target: Path) -> None:
    """Render the template into `target`, an empty folder, and format it as `make lint` requires."""
    model = root / "services" / MODEL
    answers = {
        "name": name,
        "port": port,
        "dependencies": tomllib.loads((model / "pyproject.toml").read_text())["project"]["dependencies"],
        "chassis_releases": chassis_releases(root),
    }
    copier.run_copy(str(TEMPLATE), target, data=answers, defaults=True, quiet=True, overwrite=True)
    service = target / "services" / name
    for file in COPIED:
        text = (model / file).read_text().replace(f"ARG SERVICE={MODEL}\n", f"ARG SERVICE={name}\n")
        (service / file).write_text(text)
    write_pipeline(name, root, target)
    # Line breaks and the order of imports depend on the name's length and letters.
    source = f'src = ["{service}/src", "{root}/libs/*/src"]'
    configured = ("--quiet", "--config", root / "pyproject.toml", "--config", source)
    _run(root, "ruff", "check", "--select", "I", "--fix", *configured, service)
    _run(root, "ruff", "format", *configured, service)


def write_pipeline(name: str, root: Path, target: Path) -> None:
    """Write the workflow of the new service: that of the model, with the new name."""
    text = (root / PIPELINES / f"{MODEL}.yml").read_text()
    (target / PIPELINES).mkdir(parents=True)
    (target / PIPELINES / f"{name}.yml").write_text(text.replace(MODEL, name))


def chassis_releases(root: Path) -> list[str]:
    """The chassis' releases of its tables, oldest first. A new service gets all of them in one migration."""
    files = (root / CHASSIS_SQL).glob("migrations_[0-9][0-9][0-9][0-9].sql")
    return sorted(file.stem.removeprefix("migrations_") for file in files)


def _repository() -> Path:
    root = paths.repository()
    if not Path.cwd().is_relative_to(root) or not (root / "contracts" / "topics.yaml").is_file():
        raise UserError(
            f"{Path.cwd()} is not inside a clone of Shopfloor: change into the clone and try again."
        )
    return root


def _require_clean(root: Path, files: Sequence[str]) -> None:
    """Raise UserError if a file has uncommitted changes: git must be able to undo the changes of this command."""
    try:
        changed = _status(root, "--untracked-files=all", files)
    except subprocess.CalledProcessError:
        raise UserError(
            f"{root} is not a git repository: without git the changes could not be undone."
        ) from None
    if changed:
        raise UserError(
            f"{changed[0]} has uncommitted changes, and this command would change it: commit them first."
        )


def _generate(root: Path, name: str) -> None:
    """Generate what `make contracts` writes of the service, the files that follow from topics.yaml, and the rules."""
    source = {"PYTHONPATH": str(root / "services" / name / "src")}
    _run(root, root / "tools/contracts/export.py", name, environment=source)
    expectations = (
        root / f"services/{name}/tests/contract/test_{name}_expectations.py",
        root / "tools/shop/tests/test_shop_expectations.py",
    )
    _run(root, "pytest", "--quiet", *expectations, environment=source | {"SHOP_WRITE_EXPECTATIONS": "1"})
    _run(root, root / "deploy/k8s/generate.py")
    _run(root, "tools.observability.render")


def _run(
    root: Path,
    program: str | Path,
    *arguments: str | Path,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Run a Python module (by name) or file, with these variables in addition. Raises UserError."""
    how = [program] if isinstance(program, Path) else ["-m", program]
    done = subprocess.run(
        [sys.executable, *how, *arguments],
        cwd=root,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise UserError(
            f"`{' '.join(map(str, [program, *arguments]))}` failed: {(done.stderr or done.stdout).strip()[-600:]}"
        )


def _status(root: Path, untracked: str, files: Sequence[str]) -> list[str]:
    """The files among `files`, or below them, that git reports as changed or new."""
    command = ["git", "status", "--porcelain", untracked, "--", *files]
    lines = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    return [line[3:] for line in lines]
