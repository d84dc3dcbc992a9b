"""A folder in which a provider's own tests see the expectations of those consumers that are asked about, and no others.

The tests find contracts/ above the folder that they run in. So this is a copy of the provider and of its contracts.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shop_contracts.answer.pairs import Party
from shop_contracts.releases.checkout import checkout
from shop_contracts.releases.environment import python_of

LITTER = shutil.ignore_patterns("__pycache__", ".*cache", ".hypothesis", ".venv", "consumers", "released")
SELECTED = ("has_written_down", "have_written_down")
"""The names of the tests that verify expectations end so: docs/decisions/0037."""
OWN_OPTIONS = ("-p", "testkit.plugin", "--import-mode=importlib", "-o", "asyncio_mode=auto")
"""The options of the tests of a tool. A service has them in its pyproject.toml."""


@dataclass(frozen=True, slots=True)
class Provider:
    """The code of a provider, and the Python that runs its tests."""

    python: Path
    folder: Path
    """The root of the checkout, or of the clone for a tool."""
    place: str
    """The provider's own folder in it."""
    options: Sequence[str]


async def provider_of(root: Path, party: Party) -> Provider:
    """The provider, checked out and with its environment. Raises UserError if it cannot be had."""
    if party.release is None:
        return Provider(Path(sys.executable), root, f"tools/{party.name}", OWN_OPTIONS)
    folder = await checkout(party.release, root)
    python = await python_of(party.release, folder)
    return Provider(python, folder, f"services/{party.name}", ())


@contextmanager
def workplace(provider: Provider, files: Mapping[str, bytes]) -> Iterator[Path]:
    """The provider's own folder in a copy, for as long as the context lasts. `files` are those below contracts/."""
    with tempfile.TemporaryDirectory(prefix="shop-verify-") as name:
        copy = Path(name)
        # The PostgreSQL of the tests may run as another user, which has to come through.
        copy.chmod(0o755)
        (copy / "services").mkdir()
        shutil.copytree(
            provider.folder / provider.place, copy / provider.place, ignore=LITTER, dirs_exist_ok=True
        )
        shutil.copytree(provider.folder / "contracts", copy / "contracts", ignore=LITTER)
        for path, content in files.items():
            file = copy / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        yield copy / provider.place


def command(provider: Provider, files: Sequence[str], report: Path) -> list[str]:
    """The command that runs the tests in these files. `report` is the file with their outcome.

    Other files are not collected: a fault in another test of the release does not prevent an answer.
    """
    return [
        *(str(provider.python), "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        *provider.options,
        *("-k", " or ".join(SELECTED), f"--junitxml={report}", *files),
    ]


def files_of(provider: Provider) -> list[str]:
    """The test files with a selected test, relative to the provider's folder."""
    folder = provider.folder / provider.place
    found = [
        file for file in sorted((folder / "tests").rglob("test_*.py")) if _has_selected(file.read_text())
    ]
    return [str(file.relative_to(folder)) for file in found]


def _has_selected(text: str) -> bool:
    return any(f"{name}(" in text for name in SELECTED)


def environment() -> dict[str, str]:
    """The variables of the tests, without those that belong to the environment of this process."""
    unwanted = ("VIRTUAL_ENV", "PYTHONPATH", "PYTEST_ADDOPTS", "SHOP_WRITE_EXPECTATIONS")
    return {name: value for name, value in os.environ.items() if name not in unwanted}


def content_of(root: Path, party: Party) -> list[str]:
    """Hashes of everything of a provider that an outcome depends on."""
    if party.release is not None:
        trees = party.release.trees
        return [party.name, trees.service, trees.chassis, trees.contracts, party.release.lock.sha256]
    digest = hashlib.sha256()
    for file in sorted((root / "tools" / party.name).rglob("*.py")):
        digest.update(file.read_bytes())
    return [party.name, digest.hexdigest()]
