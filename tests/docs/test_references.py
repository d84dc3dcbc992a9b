"""Documents rot where they name things: every link, path, `path::function` and command must exist."""

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from shop.cli import app as shop_app

ROOT = Path(__file__).resolve().parents[2]
TOP = ("services", "libs", "contracts", "tools", "deploy", "tests", "docs", ".github", ".ci")
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SPAN = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
TARGET = re.compile(r"^([a-z][a-z0-9-]*):", re.MULTILINE)
WRITTEN = re.compile(r"\bWrite `([^`]+)`:")
"""A tutorial's reader writes this file (tests/tutorials/pages.py)."""
NEW_SERVICE = re.compile(r"\bshop new service ([a-z]+)$")
SHELLS = {"bash", "sh", "console", "shell"}


@dataclass(frozen=True)
class Document:
    """One Markdown file: what is prose, and what is to be typed into a shell."""

    path: Path
    text: str

    @property
    def prose(self) -> str:
        return FENCE.sub("", self.text)

    @property
    def commands(self) -> Iterator[str]:
        for language, body in FENCE.findall(self.text):
            if language in SHELLS:
                yield from (line.removeprefix("$ ").split("#")[0].strip() for line in body.splitlines())
        yield from SPAN.findall(self.prose)


def documents() -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "*.md"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    return sorted(ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings: lower case, no punctuation, dashes for spaces."""
    plain = [
        re.sub(r"[^\w\- ]", "", heading.lower()).strip() for heading in HEADING.findall(FENCE.sub("", text))
    ]
    return {heading.replace(" ", "-") for heading in plain}


def link_faults(document: Document) -> list[str]:
    faults = []
    for link in LINK.findall(document.prose):
        if re.match(r"[a-z]+:", link):
            continue  # tests/house/test_addresses.py says which hosts may be linked to
        name, _, anchor = link.partition("#")
        target = (document.path.parent / name) if name else document.path
        if not target.exists():
            faults.append(f"the link {link} leads nowhere")
        elif anchor and anchor not in anchors(
            document.text if target == document.path else target.read_text()
        ):
            faults.append(f"the link {link}: the page has no heading #{anchor}")
    return faults


def path_faults(document: Document) -> list[str]:
    """Paths in code spans and commands: from the root, the document's own folder, or the package in it."""
    words = {word.strip("'\",;()") for command in document.commands for word in command.split()}
    faults = []
    for word in sorted(words):
        path, colons, name = word.partition("::")
        if colons and not path.endswith(".py"):
            continue
        if not colons and ("/" not in path or path.split("/")[0] not in TOP):
            continue
        if path.startswith(written_by(document)):
            continue
        pattern = re.sub(r"<[^>]*>|\{[^}]*\}|…|NNNN", "*", path.rstrip("/."))
        bases = (ROOT, document.path.parent, *document.path.parent.glob("src/*/"))
        found = [match for base in bases for match in base.glob(pattern)]
        if not found:
            faults.append(f"`{word}`: there is no {path}")
        elif name and name not in names_in(found[0]):
            faults.append(f"`{word}`: {path} has no {name}")
    return faults


def written_by(document: Document) -> tuple[str, ...]:
    """The files that a tutorial has its reader write, and the folders of services that it makes."""
    files = WRITTEN.findall(document.prose)
    services = [f"services/{name}" for command in document.commands for name in NEW_SERVICE.findall(command)]
    return (*files, *services)


@cache
def names_in(path: Path) -> frozenset[str]:
    """The functions, classes, methods (`Class.method`) and constants of a module."""
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{child.name}" for child in node.body if isinstance(child, FUNCTIONS)}
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return frozenset(names)


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def make_targets() -> frozenset[str]:
    """The targets of the Makefile: those that stand in it, and those that its help lists."""
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, check=True, text=True)
    named = TARGET.findall((ROOT / "Makefile").read_text())
    return frozenset([*named, *re.findall(r"^ +make ([a-z0-9-]+)", listed.stdout, re.MULTILINE)])


def command_faults(document: Document) -> list[str]:
    targets = make_targets()
    faults = []
    for command in document.commands:
        words = [word for word in command.split() if "=" not in word or word.startswith("-")]
        if not words:
            continue
        program, rest = words[0].rpartition("/")[2], words[1:]
        if program == "make":
            unknown = [
                word for word in rest if re.fullmatch(r"[a-z][a-z0-9-]*", word) and word not in targets
            ]
            faults += [f"`{command}`: the Makefile has no target {word}" for word in unknown]
        if program == "shop" and rest:
            faults += [f"`{command}`: {fault}" for fault in shop_faults(rest)]
    return faults


@cache
def shop_command() -> Any:
    """The command `shop` with its subcommands."""
    return typer.main.get_command(shop_app)


def shop_faults(words: list[str]) -> list[str]:
    """What `shop` does not know of the words after it."""
    command: Any = shop_command()
    faults = []
    for position, word in enumerate(words):
        if word.startswith("-"):
            options = {
                option for parameter in command.params for option in parameter.opts + parameter.secondary_opts
            }
            if word.partition("=")[0] not in options | {"--help"}:
                faults.append(f"`{command.name}` has no option {word}")
        elif hasattr(command, "commands"):
            # `shop release orders` is `shop release make orders`.
            default = getattr(command, "default_command", None)
            if word in command.commands or default:
                command = command.commands[word if word in command.commands else default]
            elif re.fullmatch(r"[a-z][a-z-]*", word) and not _is_value(words, position):
                faults.append(f"shop has no command {word}")
                break
    return faults


def _is_value(words: list[str], position: int) -> bool:
    return position > 0 and words[position - 1].startswith("-")


def faults_of(document: Document) -> list[str]:
    return link_faults(document) + path_faults(document) + command_faults(document)


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_everything_that_a_document_names_exists(path: Path) -> None:
    assert faults_of(Document(path, path.read_text())) == []


def help_texts() -> dict[str, str]:
    """What `shop` and each of its commands say of themselves, by name."""
    group: Any = shop_command()
    return {name: command.help or "" for name, command in group.commands.items()}


@pytest.mark.parametrize("name", sorted(help_texts()))
def test_every_command_that_a_help_text_names_exists(name: str) -> None:
    words = [part.strip() for part in re.split(r"\n| {3,}|\$\(|\||\)", help_texts()[name])]
    typed = [part for part in words if part.startswith("shop ")]
    quoted = SPAN.findall(help_texts()[name])
    text = "```bash\n" + "\n".join(typed + quoted) + "\n```\n"
    assert command_faults(Document(ROOT / "README.md", text)) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[gone](docs/gone.md)", "leads nowhere"),
        ("[gone](contracts/README.md#gone)", "no heading #gone"),
        ("see `services/orders/src/orders/gone.py`", "there is no"),
        ("see `services/orders/src/orders/handlers.py::gone`", "has no gone"),
        ("see `orders/handlers.py::place_order`", "there is no"),
        ("```bash\ncd services/gone\n```", "there is no"),
        ("type `make gone`", "no target gone"),
        ("type `make test-gone`", "no target test-gone"),
        ("```bash\n$ shop gone\n```", "no command gone"),
        ("type `shop demo --gone`", "no option --gone"),
        ("Write `docs/new.md`: then read `docs/gone.md`", "there is no docs/gone.md"),
        ("```sh\nshop new service billing\n```\nsee `services/gone/main.py`", "there is no services/gone"),
    ],
)
def test_a_reference_to_something_that_is_gone_is_seen(text: str, complaint: str) -> None:
    faults = faults_of(Document(ROOT / "README.md", text))
    assert any(complaint in fault for fault in faults), faults


def test_references_to_what_exists_are_not_complained_about() -> None:
    text = """
[rules](contracts/README.md#rules-of-change), `contracts/events/<type>/v1.schema.json`, `make demo`,
`services/orders/src/orders/handlers.py::place_order`, `services/*/migrations/`, `POST /orders/{id}/cancel`.

```bash
$ make test   # all of them
$ make test-orders
shop demo --orders 2000
shop new service billing
.venv/bin/python -m pytest services/billing docs/new.md
```

Write `docs/new.md`:
"""
    assert faults_of(Document(ROOT / "README.md", text)) == []
