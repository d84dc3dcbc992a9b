"""The picture of a command shows its words, and loads nothing from elsewhere."""

import re
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from shop import picture
from shop.picture import save_picture


def tell(console: Console) -> None:
    console.print("The oracle: 9 of 9 invariants hold", style="green")


def addresses_in(svg: str) -> set[str]:
    return set(re.findall(r"https?://[^\s\"')]+", svg)) - {"http://www.w3.org/2000/svg"}


def test_the_picture_shows_the_command_and_what_it_printed(tmp_path: Path) -> None:
    file = tmp_path / "pictures" / "demo.svg"
    save_picture(file, "make demo", tell)
    words = unescape("".join(ElementTree.fromstring(file.read_text()).itertext())).replace("\xa0", " ")
    assert "$ make demo" in words
    assert "The oracle: 9 of 9 invariants hold" in words


def test_the_picture_loads_nothing_and_two_pictures_of_one_output_are_equal(tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        save_picture(tmp_path / name, "make demo", tell)
    assert addresses_in((tmp_path / "one.svg").read_text()) == set()
    assert (tmp_path / "one.svg").read_text() == (tmp_path / "two.svg").read_text()


def test_a_picture_that_would_load_a_font_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "plain_format", picture.rich_format)
    save_picture(tmp_path / "one.svg", "make demo", tell)
    assert addresses_in((tmp_path / "one.svg").read_text()) != set()
