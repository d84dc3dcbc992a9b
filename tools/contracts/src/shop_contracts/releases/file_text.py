"""The text of a release's file: TOML, written and read."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from datetime import date
from typing import Any

from shop_contracts.releases.model import NUMBER, Api, Lock, Migrations, Release, Trees

HASH = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
SHA256 = re.compile(r"[0-9a-f]{64}")
HEADER = "# Written by `shop release {service}`. Everything here follows from the commit: do not edit it.\n"


def parse(text: str) -> Release:
    """A release from the text of its file. Raises ValueError, KeyError or TypeError if the text is not one."""
    facts = tomllib.loads(text)
    made = Release(
        service=_text(facts["service"]),
        version=_text(facts["version"], NUMBER),
        date=_date(facts["date"]),
        commit=_text(facts["commit"], HASH),
        trees=Trees(
            **{name: _text(facts["trees"][name], HASH) for name in ("service", "chassis", "contracts")}
        ),
        lock=Lock(_text(facts["lock"]["sha256"], SHA256)),
        migrations=Migrations(_text(facts["migrations"]["head"])),
        publishes=_numbers(facts["publishes"]),
        reads=_numbers(facts["reads"]),
        api=Api(_number(facts["api"]["openapi"])),
        expectations={name: _text(found, SHA256) for name, found in facts["expectations"].items()},
    )
    if unknown := facts.keys() - Release.__dataclass_fields__.keys():
        raise ValueError(f"{', '.join(sorted(unknown))} is unknown")
    return made


def _text(value: Any, form: re.Pattern[str] | None = None) -> str:
    if not isinstance(value, str) or not value or (form is not None and not form.fullmatch(value)):
        raise ValueError(f"{value!r} is not of its form")
    return value


def _date(value: Any) -> date:
    if type(value) is not date:
        raise ValueError(f"{value!r} is no date")
    return value


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no number of a released text")
    return value


def _numbers(table: Mapping[str, Any]) -> dict[str, int]:
    return {name: _number(value) for name, value in table.items()}


def text_of(release: Release) -> str:
    """The text of a release's file."""
    lines = [
        f"service = {_quoted(release.service)}",
        f"version = {_quoted(release.version)}",
        f"date = {release.date.isoformat()}",
        f"commit = {_quoted(release.commit)}",
        *_table(
            "trees", {name: getattr(release.trees, name) for name in ("service", "chassis", "contracts")}
        ),
        *_table("lock", {"sha256": release.lock.sha256}),
        *_table("migrations", {"head": release.migrations.head}),
        *_table("publishes", release.publishes),
        *_table("reads", release.reads),
        *_table("api", {"openapi": release.api.openapi}),
        *_table("expectations", release.expectations),
    ]
    return HEADER.format(service=release.service) + "\n".join(lines) + "\n"


def _table(name: str, values: Mapping[str, str | int]) -> list[str]:
    lines = ["", f"[{name}]"]
    for key, value in values.items():
        plain = key if re.fullmatch(r"[a-z0-9_-]+", key) else _quoted(key)
        lines.append(f"{plain} = {_quoted(value) if isinstance(value, str) else value}")
    return lines


def _quoted(text: str) -> str:
    # A string of JSON in ASCII is a basic string of TOML.
    return json.dumps(text)
