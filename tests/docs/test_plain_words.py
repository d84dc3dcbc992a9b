"""The documents are written in plain words: subjects are named, paragraphs are short, pages keep their length."""

import re
from pathlib import Path

import pytest

from tools.docs.reference.pages import KEPT

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        # The other pages of docs/reference are written from contracts/ by `make docs`, and are in no commit.
        *(page for page in ROOT.glob("docs/**/*.md") if page.parent.name != "reference" or page.name in KEPT),
        *ROOT.glob("services/*/README.md"),
        *(
            ROOT / name
            for name in (
                "README.md",
                "CONTRIBUTING.md",
                "SECURITY.md",
                "CODE_OF_CONDUCT.md",
                "contracts/README.md",
                "deploy/k8s/README.md",
            )
        ),
    ]
)
UNNAMED_SUBJECTS = (
    "nobody",
    "no one",
    "somebody",
    "someone",
    "anybody",
    "everybody",
    "whoever",
    "whom",
    "whatever",
)
RETIRED_WORDS = {
    "patience": "DEFER_SECONDS, or: how long an event is deferred",
    "patient": "deferrable",
    "door": "the connection, or the accept queue",
    "waves": "rounds",
    "bury": "store",
    "buried": "stored",
}
"""Word that this repository used → the word that took its place."""
SENTENCE_SUBJECTS = re.compile(r"(?:^|[.:;] )(Who|What) (?!to )[^.?|\n]*\.(?:\s|$)", re.MULTILINE)
"""A statement that begins with "Who" or "What": a clause stands where the subject should."""
PARAGRAPH_CHARACTERS = 600
PAGE_LINES = {"docs/performance.md": 120, "docs/proofs.md": 80}
FENCE = re.compile(r"^\s*```.*?^\s*```\s*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[([^\]]*)\]\([^)\s]+\)")
LIST_ITEM = re.compile(r"\n(?=\s*(?:[-*]|\d+\.) )")


def prose(text: str) -> str:
    """The page without its code blocks. Of a link stays what the reader sees."""
    return LINK.sub(r"\1", FENCE.sub("", text))


def word_faults(text: str) -> list[str]:
    """One complaint for each word that must not be in a page."""
    plain = prose(text)
    faults = [
        f'"{word}": name the subject'
        for word in UNNAMED_SUBJECTS
        if re.search(rf"\b{word}\b", plain, re.IGNORECASE)
    ]
    faults += [
        f'"{word}" is retired, say: {instead}'
        for word, instead in RETIRED_WORDS.items()
        if re.search(rf"\b{word}(?:s|_\w+)?\b", plain, re.IGNORECASE)
    ]
    faults += [
        f'a statement begins with "{found[1]}": name the subject'
        for found in SENTENCE_SUBJECTS.finditer(plain)
    ]
    return faults


def paragraphs(text: str) -> list[str]:
    """Paragraphs and list items of a page, without tables and code blocks."""
    blocks = re.split(r"\n\s*\n", prose(text))
    pieces = [piece for block in blocks for piece in LIST_ITEM.split(block)]
    lines = [
        [line.strip() for line in piece.splitlines() if not line.lstrip().startswith("|")] for piece in pieces
    ]
    return [" ".join(line for line in piece if line) for piece in lines]


def paragraph_faults(text: str) -> list[str]:
    return [
        f'{len(paragraph)} characters, {PARAGRAPH_CHARACTERS} are allowed: "{paragraph[:60]}…"'
        for paragraph in paragraphs(text)
        if len(paragraph) > PARAGRAPH_CHARACTERS
    ]


def length_faults(name: str, text: str) -> list[str]:
    lines = len(text.splitlines())
    allowed = PAGE_LINES.get(name, lines)
    return [f"{name} has {lines} lines, {allowed} are allowed"] if lines > allowed else []


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_names_its_subjects_and_uses_no_retired_word(page: Path) -> None:
    assert word_faults(page.read_text()) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_paragraph_is_longer_than_it_can_be_read_at_once(page: Path) -> None:
    assert paragraph_faults(page.read_text()) == []


@pytest.mark.parametrize("name", sorted(PAGE_LINES))
def test_a_page_keeps_the_length_that_it_was_given(name: str) -> None:
    assert length_faults(name, (ROOT / name).read_text()) == []


@pytest.mark.parametrize(
    ("sentence", "complaint"),
    [
        ("Deferrable is what nobody waits for.", '"nobody"'),
        ("Whoever holds the lease relays the shard.", '"whoever"'),
        ("| replicas | to whom the shards go |", '"whom"'),
        ("Set `PATIENCE_SECONDS` to 0.1.", '"patience" is retired'),
        ("A patient consumer fetches on.", '"patient" is retired'),
        ("Requests are refused at the door.", '"door" is retired'),
        ("What commits meanwhile is not meant.", 'begins with "What"'),
    ],
)
def test_a_sentence_without_a_named_subject_is_seen(sentence: str, complaint: str) -> None:
    assert any(complaint in fault for fault in word_faults(f"# Page\n\nFine.\n\n{sentence}\n")), sentence


@pytest.mark.parametrize(
    "text",
    [
        "The consumer defers `orders.order-confirmed.v1`.",
        "1. What happens to a pod that asks for more than is left?",
        "What to do: restart it.",
        "```bash\nsudo -u nobody true\n```",
        "`tests/test_relay.py::test_a_late_commit_holds_up_nobody` holds it.",
    ],
)
def test_plain_sentences_questions_and_code_are_let_through(text: str) -> None:
    assert word_faults(text) == []


def test_a_long_paragraph_and_a_long_list_item_are_seen() -> None:
    long = "A fact follows a fact. " * 30
    assert len(paragraph_faults(f"# Page\n\n{long}\n\nShort.\n")) == 1
    assert len(paragraph_faults(f"- short\n- {long}\n- short\n")) == 1


def test_tables_code_blocks_and_many_short_list_items_are_not_long_paragraphs() -> None:
    long = "a fact after a fact, " * 40
    assert paragraph_faults(f"| a |\n|---|\n| {long} |\n") == []
    assert paragraph_faults(f"```\n{long}\n```\n") == []
    assert paragraph_faults("- One short fact.\n" * 60) == []


def test_a_page_that_grew_is_seen() -> None:
    allowed = PAGE_LINES["docs/proofs.md"]
    assert length_faults("docs/proofs.md", "line\n" * allowed) == []
    assert length_faults("docs/proofs.md", "line\n" * (allowed + 1)) != []
