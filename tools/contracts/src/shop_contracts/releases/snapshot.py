"""What a commit says of a service: the part of a release that follows from the commit alone."""

from __future__ import annotations

import ast
import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from shop_contracts.releases import git
from shop_contracts.releases.model import Lock, Migrations, Release, Trees
from shop_stack.errors import UserError

FOLDERS = ("libs/chassis", "contracts")
"""The folders that belong to a release, beside the service's own."""
TOPICS = "contracts/topics.yaml"
QUICK_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Snapshot:
    """What a commit says of a service."""

    version: str
    """Of the service's manifest."""
    trees: Trees
    lock: Lock
    migrations: Migrations
    publishes: frozenset[str]
    """The event types of the topics that the service owns."""
    reads: frozenset[str]
    """The event types that the service handles."""
    expectations: Mapping[str, str]


@lru_cache(maxsize=256)
def snapshot(root: Path, commit: str, service: str) -> Snapshot | None:
    """What the commit says of the service. None if the clone does not have the commit.

    Raises UserError if the commit lacks a part of the service, or if the migrations have no single head.
    """
    places = [f"services/{service}", *FOLDERS]
    here, *trees = git.hashes(root, [f"{commit}^{{commit}}", *(f"{commit}:{place}" for place in places)])
    if here is None:
        return None
    for place, tree in zip(places, trees, strict=True):
        if tree is None:
            raise UserError(f"The commit {commit[:12]} has no {place}, so it is no release of {service}.")
    manifest, lock = (f"services/{service}/{name}" for name in ("pyproject.toml", "requirements.txt"))
    asyncapi = f"contracts/asyncapi/{service}.yaml"
    migrations = f"services/{service}/migrations/versions"
    consumers = f"contracts/consumers/{service}"
    listed = git.files(root, commit, [migrations, consumers])
    texts = _texts(root, commit, [manifest, lock, TOPICS, asyncapi, *(b.path for b in listed)])
    return Snapshot(
        version=_version(texts[manifest], manifest),
        trees=Trees(*(str(tree) for tree in trees)),
        lock=Lock(hashlib.sha256(texts[lock]).hexdigest()),
        migrations=Migrations(
            _head_of({p: t for p, t in texts.items() if p.startswith(migrations)}, service)
        ),
        publishes=_published(texts[TOPICS], service),
        reads=_handled(texts[asyncapi], asyncapi),
        expectations={
            Path(path).stem: hashlib.sha256(text).hexdigest()
            for path, text in sorted(texts.items())
            if path.startswith(consumers) and path.endswith(".json")
        },
    )


def _texts(root: Path, commit: str, paths: Sequence[str]) -> dict[str, bytes]:
    found = git.contents(root, [f"{commit}:{path}" for path in paths])
    texts = {}
    for path, text in zip(paths, found, strict=True):
        if text is None:
            raise UserError(f"The commit {commit[:12]} has no {path}: write it, and commit it.")
        texts[path] = text
    return texts


def _version(manifest: bytes, path: str) -> str:
    try:
        return str(tomllib.loads(manifest.decode())["project"]["version"])
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} has no version under [project]: write one, and commit it.") from None


@lru_cache(maxsize=64)
def topic_entries(root: Path, commit: str) -> list[dict[str, Any]]:
    """The topics that a commit declares. Raises UserError if it does not have the file, or if the file is damaged."""
    entries: list[dict[str, Any]] = _yaml(_texts(root, commit, [TOPICS])[TOPICS], TOPICS, "topics")
    return entries


def _published(topics: bytes, service: str) -> frozenset[str]:
    declared = _yaml(topics, TOPICS, "topics")
    return frozenset(event for topic in declared if topic["owner"] == service for event in topic["events"])


def _handled(asyncapi: bytes, path: str) -> frozenset[str]:
    return frozenset(
        message["$ref"].rpartition("/")[2]
        for operation in _yaml(asyncapi, path, "operations").values()
        if operation["action"] == "receive"
        for message in operation["messages"]
    )


def _yaml(text: bytes, path: str, part: str) -> Any:
    try:
        return yaml.load(text, Loader=QUICK_LOADER)[part]
    except (yaml.YAMLError, KeyError, TypeError):
        raise UserError(f"{path} has no {part}: correct it, and commit it.") from None


def _head_of(migrations: Mapping[str, bytes], service: str) -> str:
    """The migration that no other one follows. Raises UserError unless there is exactly one."""
    revisions: set[str] = set()
    followed: set[str] = set()
    for path, text in migrations.items():
        if path.endswith(".py"):
            names = _constants(text, path)
            revisions.add(str(names.get("revision")))
            before = names.get("down_revision")
            followed |= {str(one) for one in (before if isinstance(before, tuple) else (before,))}
    heads = sorted(revisions - followed)
    if len(heads) != 1:
        raise UserError(
            f"The migrations of {service} have {len(heads)} heads ({', '.join(heads) or 'none'}): let each one follow "
            "the one before it."
        )
    return heads[0]


def parsed(text: bytes, path: str) -> ast.Module:
    """The module in a text. Raises UserError if it is no Python."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        raise UserError(f"{path} is no Python: correct it.") from None


def _constants(text: bytes, path: str) -> dict[str, object]:
    """The names that a module gives a constant. Raises UserError if it is no Python."""
    found: dict[str, object] = {}
    for node in parsed(text, path).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        value = getattr(node, "value", None)
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant | ast.Tuple):
                found[target.id] = ast.literal_eval(value)
    return found


def compare(root: Path, release: Release) -> bool:
    """Compare a release with its commit. Returns False if the clone lacks the commit.

    Raises UserError if the release says something else than its commit.
    """
    found = snapshot(root, release.commit, release.service)
    if found is None:
        return False
    told = told_by(release)
    differing = [
        field.name for field in fields(found) if getattr(found, field.name) != getattr(told, field.name)
    ]
    if differing:
        file = f"releases/{release.service}/{release.version}.toml"
        raise UserError(
            f"{file} was edited: its {' and '.join(differing)} differ from its commit {release.commit[:12]}. "
            f"Restore it with `git checkout -- {file}`."
        )
    return True


def told_by(release: Release) -> Snapshot:
    """The part of a release's file that its commit decides."""
    return Snapshot(
        # After a plus sign is the commit of code that is no release (answer/resolving.py).
        version=release.version.partition("+")[0],
        trees=release.trees,
        lock=release.lock,
        migrations=release.migrations,
        publishes=frozenset(release.publishes),
        reads=frozenset(release.reads),
        expectations=dict(release.expectations),
    )
