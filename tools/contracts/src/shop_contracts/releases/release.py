"""A release of a service: the file releases/<service>/<version>.toml.

`shop release` writes it, and people read it. It is never edited: everything in it follows from the commit that it
names, and `read` compares both.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from shop_contracts.releases import git
from shop_contracts.releases.file_text import parse, text_of
from shop_contracts.releases.model import NUMBER, Api, Lock, Migrations, Release, Trees, ordinal
from shop_contracts.releases.numbers import wrong_numbers
from shop_contracts.releases.snapshot import compare
from shop_stack.errors import UserError

__all__ = [
    "Api",
    "Lock",
    "Migrations",
    "Release",
    "Trees",
    "all_of",
    "exists_already",
    "file_of",
    "newest",
    "ordinal",
    "read",
    "read_unchecked",
    "require_service",
    "services",
    "versions",
    "write",
]


def services(root: Path) -> list[str]:
    """The services of a clone, by name."""
    return sorted(path.parent.name for path in (root / "services").glob("*/pyproject.toml"))


def require_service(root: Path, service: str) -> None:
    """Raise UserError if the clone has no service of this name."""
    known = services(root)
    if service not in known:
        raise UserError(f"There is no service {service!r}: it is one of {', '.join(known)}.")


def folder_of(root: Path, service: str) -> Path:
    return root / "releases" / service


def file_of(root: Path, service: str, version: str) -> Path:
    return folder_of(root, service) / f"{version}.toml"


def versions(root: Path, service: str) -> list[str]:
    """The versions that have a file, oldest first. Raises UserError if a file has the name of no version."""
    files = list(folder_of(root, service).glob("*.toml"))
    for file in files:
        if not NUMBER.fullmatch(file.stem):
            raise UserError(
                f"{_shown(root, file)} has the name of no version, such as 0.2.0.toml: delete it."
            )
    return sorted((file.stem for file in files), key=ordinal)


def newest(root: Path, service: str) -> str:
    """The newest version. Raises UserError if there is no such service, or if it has no release."""
    require_service(root, service)
    known = versions(root, service)
    if not known:
        raise UserError(f"{service} has no release: `shop release {service}` makes one.")
    return known[-1]


def read(root: Path, service: str, version: str) -> Release:
    """A release of a clone.

    Raises UserError if there is no such service or version, or if the file is damaged, or does not say what its commit
    says. A clone that lacks the commit cannot be compared; `checkout` refuses it.
    """
    release = read_unchecked(root, service, version)
    check(root, release)
    return release


def all_of(root: Path, service: str) -> list[Release]:
    """The releases of a service, oldest first. Raises UserError as `read` does."""
    require_service(root, service)
    return [read(root, service, version) for version in versions(root, service)]


def check(root: Path, release: Release) -> None:
    """Compare the file of a release with its commit, with the released texts, and with the last commit of the clone.

    Raises UserError if it says something else. If the clone lacks the release's commit, the last commit decides alone.
    """
    file = _shown(root, file_of(root, release.service, release.version))
    if compare(root, release) and (wrong := wrong_numbers(root, release)):
        raise UserError(
            f"{file} was edited, or a released text was: {', '.join(wrong)} has another text under its number. "
            f"Restore both with `git checkout -- {file} contracts`."
        )
    [committed] = git.hashes(root, [f"HEAD:{file}"])
    if committed and git.blob_hash((root / file).read_bytes(), len(committed)) != committed:
        raise UserError(
            f"{file} was edited since it was committed: restore it with `git checkout -- {file}`."
        )


def read_unchecked(root: Path, service: str, version: str) -> Release:
    """As `read`, but the file is not compared with its commit."""
    require_service(root, service)
    ordinal(version)
    file = file_of(root, service, version)
    try:
        release = parse(file.read_text())
    except FileNotFoundError:
        raise _unknown(root, service, version) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(f"{_shown(root, file)} is damaged ({why}): {_restore(root, file)}.") from None
    if (release.service, release.version) != (service, version):
        raise UserError(
            f"{_shown(root, file)} says that it is {release.service} {release.version}: two releases cannot have one "
            f"number. Delete the copy, and let `shop release {service}` write each file."
        )
    return release


def _unknown(root: Path, service: str, version: str) -> UserError:
    known = ", ".join(versions(root, service))
    if not known:
        return UserError(
            f"{service} has no release {version}, because it has none: `shop release {service}` makes it."
        )
    return UserError(f"{service} has no release {version}: its releases are {known}.")


def _shown(root: Path, file: Path) -> str:
    return str(file.relative_to(root))


def _restore(root: Path, file: Path) -> str:
    return f"restore it with `git checkout -- {_shown(root, file)}`"


def write(root: Path, release: Release) -> Path:
    """Write the file of a new release, completely or not at all. Returns it.

    Raises UserError if the version has a file already.
    """
    file = file_of(root, release.service, release.version)
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.write_text(text_of(release))
        # A link is made only where there is no file yet: two commands at once cannot both write this release.
        os.link(draft, file)
    except FileExistsError:
        raise exists_already(release.service, release.version) from None
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
    return file


def exists_already(service: str, version: str) -> UserError:
    """The error for a version that has been released."""
    return UserError(
        f"{service} {version} is released already, and a release never changes: raise the version in "
        f"services/{service}/pyproject.toml and in its CHANGELOG.md, commit both, and try again."
    )
