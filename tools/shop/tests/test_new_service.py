"""`shop new service`: what it refuses, where it names the service, and what it renders."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from shop.new_service import names, write
from shop.new_service.places import Place, edited, inserted, places
from shop_stack.errors import UserError
from shop_stack.ports import SERVICES

ROOT = Path(__file__).resolve().parents[3]
LAST = SERVICES[-1]
WORDS = {
    "name": "specimen",
    "NAME": "SPECIMEN",
    "last": LAST,
    "LAST": LAST.upper(),
    "port": "06",
    "management": "26",
}
MODULES = {
    "main",
    "settings",
    "api",
    "subscriptions",
    "jobs",
    "handlers",
    "db",
    "events",
    "domain",
    "__init__",
}


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("Specimen", "cannot be the name of a service"),
        ("gift-cards", "cannot be the name of a service"),
        ("ab", "cannot be the name of a service"),
        ("../up", "cannot be the name of a service"),
        ("orders", "services/orders exists already"),
        ("email", "a part of Python"),
        ("class", "a part of Python"),
        ("user", "a part of PostgreSQL"),
        ("jaeger", "a container in docker-compose.yml"),
        ("processor", "a container in docker-compose.yml"),
        ("chassis", "a folder of this repository"),
        ("pydantic", "a Python package"),
    ],
)
def test_a_name_that_cannot_be_a_services_is_refused_with_the_reason(name: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        names.require_good(name, ROOT)


def test_an_ordinary_word_is_a_name() -> None:
    names.require_good("specimen", ROOT)


def test_a_tenth_service_has_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "SERVICES", tuple("abcdefghi"))
    with pytest.raises(UserError, match="the ports are for 9"):
        names.require_good("specimen", ROOT)


def test_each_place_is_found_and_names_the_new_service() -> None:
    for path, text in edited(ROOT, places(), WORDS).items():
        assert len(text) > len(path.read_text())
        assert "specimen" in text.lower()
        assert not re.search("@(" + "|".join(WORDS) + ")@", text)
        if path.suffix in (".yaml", ".yml"):
            list(yaml.safe_load_all(text))


def test_the_new_service_gets_the_next_port_and_database() -> None:
    texts = edited(ROOT, places(), WORDS)
    services = yaml.safe_load(texts[ROOT / "docker-compose.yml"])["services"]
    assert services["specimen"]["ports"] == [
        "127.0.0.1:${SHOP_PORTS:-190}06:8000",
        "127.0.0.1:${SHOP_PORTS:-190}26:9000",
    ]
    assert services["specimen"]["environment"]["DATABASE_URL"].endswith("@postgres:5432/specimen")
    topics = yaml.safe_load(texts[ROOT / "contracts/topics.yaml"])["topics"]
    assert topics[0]["readers"][-1] == "specimen"
    assert [topic["name"] for topic in topics if topic["owner"] == "specimen"] == [
        "specimen.entry.v1",
        "specimen.dead-letters",
    ]


def test_a_second_new_service_stands_behind_the_first(tmp_path: Path) -> None:
    for path, text in edited(ROOT, places(), WORDS).items():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text)
    words = WORDS | {"name": "sequel", "NAME": "SEQUEL", "last": "specimen", "LAST": "SPECIMEN", "port": "07"}
    texts = edited(tmp_path, places(), words)
    services = list(yaml.safe_load(texts[tmp_path / "docker-compose.yml"])["services"])
    assert services.index("sequel") == services.index("specimen") + 1


def test_a_place_that_a_file_has_lost_is_named_before_anything_is_written() -> None:
    with pytest.raises(UserError, match=f"Makefile has no line that matches 'gone {LAST}'"):
        inserted("all:\n", Place("Makefile", "gone @last@", "x"), WORDS)


def test_behind_every_match_or_behind_the_last(tmp_path: Path) -> None:
    text = f"  {LAST}.db\n  {LAST}\n"
    every = Place("f", r"^  @last@((?:\.\w+)?)\n", "  @name@\\1\n", every=True)
    assert inserted(text, every, WORDS) == f"  {LAST}.db\n  specimen.db\n  {LAST}\n  specimen\n"
    last = Place("f", r"^  \w.*\n", "  @name@\n")
    assert inserted(text, last, WORDS) == text + "  specimen\n"


def test_what_is_rendered_has_the_nine_modules_and_no_trace_of_the_template(tmp_path: Path) -> None:
    write.render("specimen", "06", ROOT, tmp_path)
    service = tmp_path / "services" / "specimen"
    assert {path.stem for path in (service / "src/specimen").glob("*.py")} == MODULES
    for path in filter(Path.is_file, tmp_path.rglob("*")):
        text = path.read_text()
        assert "{{" not in text.replace("${{", ""), path
        assert path.suffix != ".jinja"
        if path.suffix == ".py":
            ast.parse(text)
        if path.suffix == ".json":
            json.loads(text)
    first = (service / "migrations/versions/0001_chassis.py").read_text()
    assert all(f'"{release}"' in first for release in write.chassis_releases(ROOT))
    assert (service / "Dockerfile").read_text().count("ARG SERVICE=specimen\n") == 1


def test_the_model_has_what_every_service_depends_on_and_no_more() -> None:
    """Its lock is the new service's: a dependency too many would be every new service's."""
    assert (ROOT / "services/inventory/requirements.txt").read_bytes() == (
        ROOT / "services/orders/requirements.txt"
    ).read_bytes()


def test_another_folder_is_not_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="not inside a clone"):
        write.new_service("specimen")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with the files that the command looks at before it writes; the current folder."""
    for path in ["docker-compose.yml", *(place.file for place in places())]:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    (tmp_path / "services").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@shop.example"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True)


def test_without_git_nothing_is_written(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(clone.parent))
    with pytest.raises(UserError, match="is not a git repository"):
        write.new_service("specimen")


def test_a_file_with_uncommitted_changes_is_not_touched(clone: Path) -> None:
    git(clone, "init", "--quiet")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "as it was")
    with (clone / "docker-compose.yml").open("a") as file:
        file.write("# mine\n")
    before = (clone / "contracts/topics.yaml").read_text()
    with pytest.raises(UserError, match=r"docker-compose\.yml has uncommitted changes"):
        write.new_service("specimen")
    assert (clone / "contracts/topics.yaml").read_text() == before
    assert list((clone / "services").iterdir()) == []
