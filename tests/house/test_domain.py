"""Each domain is pure: it can be read, run and reasoned about with nothing but Python."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOMAINS = sorted((ROOT / "services").glob("*/src/*/domain.py"))
# In the standard library, and yet not pure.
IMPURE = {
    "asyncio",
    "http",
    "logging",
    "os",
    "pathlib",
    "random",
    "socket",
    "sqlite3",
    "subprocess",
    "threading",
    "time",
}


def foreign_imports(source: str) -> list[str]:
    """The imports of a module that a domain may not have."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append("." * node.level + (node.module or ""))
    allowed = sys.stdlib_module_names - IMPURE
    return [name for name in names if name.partition(".")[0] not in allowed]


@pytest.mark.parametrize("path", DOMAINS, ids=lambda path: path.parent.name)
def test_a_domain_imports_the_standard_library_only(path: Path) -> None:
    found = foreign_imports(path.read_text())
    assert found == [], (
        f"{path.relative_to(ROOT)} imports {found}: a domain does no input or output and has no framework"
    )


@pytest.mark.parametrize(
    "line",
    [
        "import sqlalchemy",
        "from pydantic import BaseModel",
        "from orders.db import x",
        "from . import db",
        "import os.path",
        "def f():\n    import socket",
    ],
)
def test_a_foreign_import_is_seen(line: str) -> None:
    assert foreign_imports(f"import enum\n{line}\n") != []
