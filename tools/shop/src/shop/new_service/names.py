"""Checks the name of a new service. It becomes a Python package, a database, a role, a topic prefix and a host name."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from shop_stack.errors import UserError
from shop_stack.ports import SERVICES

NAME = re.compile(r"[a-z]{3,20}")
MOST_SERVICES = 9
"""The tenth port is the card processor's. The ports above it belong to the infrastructure."""

# fmt: off
SQL_WORDS = frozenset((
    "all", "analyse", "analyze", "and", "any", "array", "asc", "asymmetric", "both", "case", "cast",
    "check", "collate", "column", "constraint", "create", "default", "deferrable", "desc", "distinct", "do",
    "else", "end", "except", "false", "fetch", "for", "foreign", "from", "grant", "group", "having",
    "initially", "intersect", "into", "lateral", "leading", "limit", "localtime", "localtimestamp", "not",
    "null", "offset", "only", "order", "placing", "postgres", "primary", "public", "references",
    "returning", "select", "some", "symmetric", "system", "table", "then", "trailing", "true", "union",
    "unique", "user", "using", "variadic", "when", "where", "window", "with",
))
# fmt: on
"""PostgreSQL's reserved words, and names of its own roles, schemas and databases."""


def require_good(name: str, repository: Path) -> None:
    """Raise UserError if no new service can have this name. The message says why, and what to do."""
    if not NAME.fullmatch(name):
        raise UserError(
            f"{name!r} cannot be the name of a service: use one word of 3 to 20 letters from a to z, such as billing."
        )
    if name in SERVICES or (repository / "services" / name).exists():
        raise UserError(f"services/{name} exists already: choose another name, or remove that folder first.")
    if reason := _taken_by(name, repository):
        raise UserError(f"{name!r} is the name of {reason}: choose another one.")
    if len(SERVICES) >= MOST_SERVICES:
        raise UserError(f"There are {len(SERVICES)} services, and the ports are for {MOST_SERVICES}.")


def _taken_by(name: str, repository: Path) -> str:
    """What has this name already, in words; empty if the name is free."""
    if keyword.iskeyword(name) or name in sys.stdlib_module_names:
        return "a part of Python"
    if name in SQL_WORDS:
        return "a part of PostgreSQL"
    if name in _composed(repository):
        return "a container in docker-compose.yml"
    if any(
        (repository / place / name).is_dir() for place in ("libs", "tools", "contracts", "deploy/k8s/base")
    ):
        return "a folder of this repository"
    if importlib.util.find_spec(name) is not None:
        return "a Python package that is installed here"
    return ""


def _composed(repository: Path) -> Mapping[str, Any]:
    services: Mapping[str, Any] = yaml.safe_load((repository / "docker-compose.yml").read_text())["services"]
    return services
