"""The images of other projects: where this repository names them, and whether a digest fixes them.

The digest stands in the line that names the image (`postgres:18@sha256:…`), because docker, Compose and kubectl all
read it there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shop.supply.registry import NoSuchImage, Unresolved, digest_of

YAML = re.compile(r"^(\s*(?:- )?image:\s*\"?)([^\s\"#]+)", re.MULTILINE)
PLACES = (
    ("*/*/Dockerfile", re.compile(r"^(FROM\s+)(\S+)", re.MULTILINE)),
    ("docker-compose.yml", YAML),
    ("deploy/k8s/**/*.yaml", YAML),
    ("tools/stack/src/shop_stack/containers.py", re.compile(r"^(\w+_IMAGE = \")([^\"]+)", re.MULTILINE)),
)
"""Files, and the lines in them that name an image: what stands before the image, and the image."""
OURS = ("localhost/", "registry.example/")
"""The images that this repository builds."""


class State(StrEnum):
    """How an image is fixed, as the command prints it."""

    PINNED = "pinned"
    MOVED = "pinned, and the tag has moved on"
    UNPINNED = "not pinned"
    UNKNOWN = "not in the registry"
    UNRESOLVED = "not resolved here"


FAULTS = (State.UNPINNED, State.UNKNOWN)
"""The registry answered, and the image must be changed in the files."""


@dataclass(frozen=True)
class Finding:
    """One image, as the files name it, and what is known about it."""

    image: str
    files: tuple[str, ...]
    """Paths from the repository's root, one for each line that names the image."""
    state: State
    detail: str = ""
    """The reason, or the digest that the tag has now."""


def named_images(root: Path) -> dict[str, tuple[str, ...]]:
    """Image → the files that name it, one for each line, for every image that is not built here."""
    found: dict[str, list[str]] = {}
    for path, line in _files(root):
        for _, image in line.findall(path.read_text()):
            if is_foreign(image):
                found.setdefault(image, []).append(str(path.relative_to(root)))
    return {image: tuple(found[image]) for image in sorted(found)}


def is_foreign(image: str) -> bool:
    """Whether a registry has to be asked. A name without a tag is a stage of a Dockerfile, or set by kustomize."""
    return ":" in image and "${" not in image and not image.startswith(OURS)


def tag_of(image: str) -> str:
    """The image without its digest."""
    return image.partition("@")[0]


def examine(root: Path) -> list[Finding]:
    """Compare every image with the registry. Changes nothing."""
    return [_judged(image, files) for image, files in named_images(root).items()]


def pin(root: Path) -> list[Finding]:
    """Write the digest that each tag has now into every line that names it.

    An image that is not resolved keeps its lines: no digest is guessed. Returns what is known of each tag now.
    """
    digests: dict[str, str] = {}
    findings = []
    for tag, files in _by_tag(named_images(root)).items():
        try:
            digests[tag] = digest_of(tag)
        except (NoSuchImage, Unresolved) as error:
            findings.append(_unknown(tag, files, error))
        else:
            findings.append(Finding(f"{tag}@{digests[tag]}", files, State.PINNED))
    for path, line in _files(root):
        before = path.read_text()
        after = line.sub(_with_digests(digests), before)
        if after != before:
            path.write_text(after)
    return findings


def _files(root: Path) -> list[tuple[Path, re.Pattern[str]]]:
    return [(path, line) for pattern, line in PLACES for path in sorted(root.glob(pattern))]


def _with_digests(digests: Mapping[str, str]) -> Callable[[re.Match[str]], str]:
    """A replacement for a line's match that gives the image its digest, if there is one for its tag."""

    def replacement(found: re.Match[str]) -> str:
        before, image = found.groups()
        tag = tag_of(image)
        return f"{before}{tag}@{digests[tag]}" if is_foreign(image) and tag in digests else found[0]

    return replacement


def _by_tag(images: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    by_tag: dict[str, tuple[str, ...]] = {}
    for image, files in images.items():
        by_tag[tag_of(image)] = (*by_tag.get(tag_of(image), ()), *files)
    return by_tag


def _judged(image: str, files: tuple[str, ...]) -> Finding:
    tag, _, digest = image.partition("@")
    try:
        if digest:
            digest_of(image)  # raises where the registry has no such digest
        current = digest_of(tag)
    except (NoSuchImage, Unresolved) as error:
        return _unknown(image, files, error)
    if not digest:
        return Finding(image, files, State.UNPINNED, current)
    if digest != current:
        return Finding(image, files, State.MOVED, current)
    return Finding(image, files, State.PINNED)


def _unknown(image: str, files: tuple[str, ...], error: NoSuchImage | Unresolved) -> Finding:
    state = State.UNKNOWN if isinstance(error, NoSuchImage) else State.UNRESOLVED
    return Finding(image, files, state, str(error))
