"""The picture in the README shows the demo as it is: each outcome, each invariant, and a green verdict."""

from html import unescape
from pathlib import Path
from xml.etree import ElementTree

from shop_load.plans import Scenario
from shop_oracle.invariants import INVARIANTS
from shop_oracle.report import title_of

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "pictures" / "demo.svg"


def words_in(svg: str) -> set[str]:
    """The words of a picture. A sentence may stand on several lines, with other columns between them."""
    return set(unescape(" ".join(ElementTree.fromstring(svg).itertext())).replace("\xa0", " ").split())


def missing_from(svg: str) -> list[str]:
    """Outcomes and invariants of the demo that the picture does not show, and a verdict that is not green."""
    shown = words_in(svg)
    sentences = [scenario.value.replace("-", " ") for scenario in Scenario]
    sentences += [title_of(invariant.__doc__ or "") for invariant in INVARIANTS]
    sentences.append("Everything holds.")
    return [sentence for sentence in sentences if not set(sentence.split()) <= shown]


def test_the_picture_shows_what_the_demo_prints_now() -> None:
    assert missing_from(PICTURE.read_text()) == []


def test_a_picture_of_another_demo_is_seen() -> None:
    picture = PICTURE.read_text()
    assert missing_from(picture.replace("Everything", "Something")) == ["Everything holds."]
    assert missing_from(picture.replace("declined", "refused")) != []
