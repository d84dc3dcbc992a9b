"""A small clone for tests of releases: the services `shelf` and `desk`, of which desk reads an event of shelf."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from shop_contracts.releases.make import make
from shop_contracts.releases.model import Release

TODAY = date(2026, 11, 29)
LENT = "shelf.book-lent.v1"
TOPIC = "shelf.book.v1"

TOPICS = f"""
topics:
  - name: {TOPIC}
    owner: shelf
    readers: [desk]
    key: book_id
    partitions: 1
    retention_ms: 1000
    cleanup_policy: delete
    events: [{LENT}]
"""
RECEIVES = f"""
asyncapi: 3.0.0
operations:
  receive-{TOPIC}:
    action: receive
    messages:
      - $ref: "#/channels/{TOPIC}/messages/{LENT}"
"""
SCHEMA = {
    "type": "object",
    "required": ["book_id", "reason"],
    "properties": {
        "book_id": {"type": "string", "format": "uuid"},
        "reason": {"enum": ["loan", "gift"]},
        "fee": {"$ref": "#/$defs/money"},
        "pages": {
            "type": "array",
            "items": {"type": "object", "properties": {"number": {"type": "integer"}}},
        },
    },
    "$defs": {"money": {"type": "object", "properties": {"amount_minor": {}, "currency": {}}}},
}


def pact(consumer: str, provider: str, descriptions: Sequence[str] = (LENT,), **content: Any) -> str:
    """The text of an expectation file with one message for each description."""
    return json.dumps(
        {
            "consumer": {"name": consumer},
            "provider": {"name": provider},
            "interactions": [
                {
                    "type": "Asynchronous/Messages",
                    "description": description,
                    "contents": {"content": {"book_id": "b-1", **content}},
                    "metadata": {"ce_type": description, "key": "b-1"},
                }
                for description in descriptions
            ],
            "metadata": {"pactSpecification": {"version": "4.0"}},
        }
    )


class Clone:
    """A git repository of a test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        """The output of a git command."""
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.root, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def write(self, path: str, text: str) -> Path:
        """Write a file, without a commit."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def commit(self) -> str:
        """Commit everything. Returns the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message=a change")
        return self.git("rev-parse", "HEAD")

    def set_version(self, service: str, version: str) -> None:
        """Write a version into the manifest and the changelog, without a commit."""
        self.write(
            f"services/{service}/pyproject.toml", f'[project]\nname = "{service}"\nversion = "{version}"\n'
        )
        self.write(f"services/{service}/CHANGELOG.md", f"# Changelog\n\n## {version}\n\n- A change.\n")

    def release(self, service: str, version: str = "0.1.0") -> Release:
        """Make a release of the present files, and commit it."""
        self.set_version(service, version)
        self.commit()
        made, _ = make(self.root, service, TODAY)
        self.commit()
        return made


def filled(root: Path) -> Clone:
    """A clone with two services and one commit, without a release."""
    made = Clone(root)
    for service in ("shelf", "desk"):
        made.set_version(service, "0.1.0")
        made.write(f"services/{service}/requirements.txt", "# locked\n")
        made.write(
            f"services/{service}/migrations/versions/0001_a.py", 'revision = "0001"\ndown_revision = None\n'
        )
        made.write(
            f"services/{service}/migrations/versions/0002_b.py",
            'revision: str = "0002"\ndown_revision = "0001"\n',
        )
        made.write(f"services/{service}/src/{service}/__init__.py", "")
    made.write(".gitignore", ".shop/\n")
    made.write("libs/chassis/chassis.py", "VERSION = 1\n")
    made.write("contracts/topics.yaml", TOPICS)
    for shared in ("envelope", "dead-letter"):
        made.write(f"contracts/{shared}.schema.json", "{}")
    made.write("contracts/openapi/shelf.yaml", "openapi: 3.1.0\n")
    made.write("contracts/asyncapi/shelf.yaml", "asyncapi: 3.0.0\noperations: {}\n")
    made.write("contracts/asyncapi/desk.yaml", RECEIVES)
    made.write("contracts/events/shelf.book-lent/v1.schema.json", json.dumps(SCHEMA))
    made.write("contracts/events/shelf.book-lent/examples/a.json", '{"book_id": "b-1", "reason": "loan"}')
    made.write("contracts/consumers/desk/shelf.json", pact("desk", "shelf", fee={"currency": "EUR"}))
    made.commit()
    return made
