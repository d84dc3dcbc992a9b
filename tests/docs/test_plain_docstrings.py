"""Docstrings of services and chassis name their subject, as the pages do."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for place in ("libs", "services") for path in (ROOT / place).glob("*/src/**/*.py"))
UNNAMED = re.compile(r"\b(nobody|no one|somebody|someone|everybody|whoever|whom|whatever)\b", re.IGNORECASE)
CLAUSE = re.compile(r"(What|Who|Whose|How|Where) (?!(it does|it saves):)")
"""A clause in the place of the subject. Files of chassis.tuning have the headings `What it does:`, `What it saves:`."""
SENTENCE = re.compile(r"(?<=[.;]) |\n\s*\n")


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each docstring, those of attributes included."""
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        for child in body if isinstance(body, list) else []:  # a lambda's body is no list
            text = child.value if isinstance(child, ast.Expr) else None
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield child.lineno, text.value


def faults_of(source: str) -> list[str]:
    """One complaint for each sentence without a named subject."""
    faults = []
    for line, text in docstrings(source):
        sentences = [" ".join(sentence.split()) for sentence in SENTENCE.split(text)]
        faults += [
            f"line {line}: name the subject: {sentence[:60]}"
            for sentence in sentences
            if CLAUSE.match(sentence) or UNNAMED.search(sentence)
        ]
    return faults


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_name_their_subject(path: Path) -> None:
    assert faults_of(path.read_text()) == []


@pytest.mark.parametrize(
    "docstring",
    [
        "What a commit wakes.",
        "Take rows. Whoever has the row decides.",
        "How far a shard was sent.",
        "Lock the order.\n\nWhere it is gone, nobody waits.",
    ],
)
def test_a_docstring_without_a_named_subject_is_seen(docstring: str) -> None:
    assert len(faults_of(f'def act():\n    """{docstring}"""\n')) == 1


def test_the_headings_of_tuning_and_named_subjects_are_let_through() -> None:
    assert faults_of('"""A shortcut.\n\nWhat it does: a copy is sent.\nWhat it saves: no CPU."""\n') == []
    assert faults_of('SECONDS = 5\n"""Seconds for a statement."""\n') == []
