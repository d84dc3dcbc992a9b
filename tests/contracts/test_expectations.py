"""The files in contracts/consumers name real consumers and providers, and leave out no reader of a topic."""

import json
from pathlib import Path

import pytest

from testkit.contracts import TOPICS
from testkit.expectations import faults_of_files
from testkit.expectations.files import CONSUMERS, EVENTS, HTTP, PactFile, canonical

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))
PARTIES = (*SERVICES, "shop", "processor", "issuer")
FILES = sorted(CONSUMERS.glob("*/*.json"))


def unread_topics(folder: Path) -> list[str]:
    """The declared readers of topics whose files say nothing of any event on the topic."""
    missing = []
    for name, topic in TOPICS.items():
        for reader in topic["readers"]:
            path = folder / reader / f"{topic['owner']}.json"
            document = json.loads(path.read_text()) if path.is_file() else {"interactions": []}
            read = {interaction["description"] for interaction in document["interactions"]}
            if not read & set(topic["events"]):
                missing.append(f"{reader} reads {name}, and its file for {topic['owner']} says nothing of it")
    return missing


VERIFIED_BY = {EVENTS: "event_readers", HTTP: "http_clients"}
"""Kind of an interaction → the function by which a provider's test finds the files with such interactions."""


def unverified(file: PactFile, root: Path = ROOT) -> list[str]:
    """The kinds of interactions of a file that no test of its provider verifies."""
    folders = [root / place / file.provider / "tests" for place in ("services", "tools")]
    tests = [path.read_text() for folder in folders for path in folder.rglob("test_*.py")]
    return [
        f"no test of {file.provider} calls {function}({file.provider!r}), so {file.name} is verified by none"
        for kind, function in VERIFIED_BY.items()
        if file.of_kind(kind) and not any(f'{function}("{file.provider}")' in test for test in tests)
    ]


def test_each_file_is_of_a_known_consumer_for_a_known_provider() -> None:
    assert list(faults_of_files(PARTIES)) == []


def test_each_declared_reader_of_a_topic_has_written_down_what_it_reads() -> None:
    assert unread_topics(CONSUMERS) == [], "run `make contracts`"


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name} of {path.stem}")
def test_each_file_has_the_one_form_of_its_text(path: Path) -> None:
    assert path.read_text() == canonical(json.loads(path.read_text())), "run `make contracts`"


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name} of {path.stem}")
def test_each_file_is_verified_by_its_provider(path: Path) -> None:
    assert unverified(PactFile.read(path)) == []


def test_a_file_that_no_provider_verifies_is_seen(tmp_path: Path) -> None:
    file = PactFile("orders", "inventory", ({"type": EVENTS}, {"type": HTTP}))
    assert unverified(file) == []
    assert len(unverified(file, tmp_path)) == 2


def test_an_unknown_provider_and_a_file_in_a_wrong_place_are_one_sentence_each(tmp_path: Path) -> None:
    good = {
        "consumer": {"name": "orders"},
        "provider": {"name": "inventory"},
        "interactions": [],
        "metadata": {"pactSpecification": {"version": "4.0"}},
    }
    for place in (
        "orders/inventory.json",
        "orders/warehouse.json",
        "strangers/inventory.json",
        "inventory.json",
    ):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text(json.dumps(good))
    found = list(faults_of_files(PARTIES, tmp_path))
    assert any("there is no provider 'warehouse'" in fault for fault in found)
    assert any("there is no consumer 'strangers'" in fault for fault in found)
    assert any(fault.startswith("contracts/consumers/inventory.json is not") for fault in found)
    assert any("orders/warehouse.json says that it is of orders for inventory" in fault for fault in found)
    assert not any("orders/inventory.json" in fault for fault in found)


def test_a_reader_without_a_file_is_seen(tmp_path: Path) -> None:
    readers = sum(len(topic["readers"]) for topic in TOPICS.values())
    assert len(unread_topics(tmp_path)) == readers > 0
