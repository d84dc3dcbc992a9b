"""The program that executes tutorials sees a page that lies, and the edits of each page fit the repository."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from shop.new_service.write import render
from tests.tutorials.pages import Edit, PageFault, apply, execute, steps

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path for path in (ROOT / "docs" / "tutorials").glob("*.md") if path.name != "README.md")
PAGE = """# A page

1. Write `note.txt`:

```text2
one
two
```

2. In `note.txt`, after `one`, add:

```text2
one and a half
```

3. In `note.txt`, replace

```text2
two
```

by:

```text2
three
```

4. Append to `note.txt`:

```text2
four
```

5. Look at it.

```sh
cat note.txt
```

```text
one
one … half
four
```

6. This fails, for there is no such file.

```sh
cat gone.txt
```
"""


def carry_out(page: str, folder: Path) -> None:
    for step in steps(page):
        execute(step, folder, os.environ)


def test_every_block_is_carried_out_in_its_turn(tmp_path: Path) -> None:
    carry_out(PAGE, tmp_path)
    assert (tmp_path / "note.txt").read_text() == "one\none and a half\nthree\nfour\n"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("one … half", "one and a third", "no line 'one and a third'"),
        ("one\none … half\n", "four\none\n", "no line 'one'"),
        ("after `one`", "after `seven`", "'seven' 0 times"),
        ("```text2\ntwo\n```\n\nby", "```text2\none\n```\n\nby", "'one' 2 times"),
        ("cat note.txt", "cat gone.txt", "ended with 1"),
        ("This fails, for", "Look:", "ended with 1"),
        ("cat gone.txt", "true", "ended with 0"),
        ("Append to `note.txt`:", "Then this:", "does not say what to do"),
        ("Append to `note.txt`:", "Append to `gone.txt`:", "no file gone.txt"),
        ("by:", "or:", "a block must follow"),
        ("5. Look at it.\n\n```sh\ncat note.txt\n```\n", "", "follows no command"),
    ],
)
def test_a_page_that_lies_is_seen(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert PAGE.count(old) == 1
    with pytest.raises(PageFault) as fault:
        carry_out(PAGE.replace(old, new), tmp_path)
    assert complaint in str(fault.value)


def test_a_page_calls_the_shop_at_the_ports_of_this_run(tmp_path: Path) -> None:
    page = "Ask.\n\n```sh\necho localhost:18006/docs 18006\n```\n\n```text\nlocalhost:22006/docs 18006\n```\n"
    for step in steps(page):
        execute(step, tmp_path, {**os.environ, "SHOP_PORT_BASE": "22000"})


def test_there_are_the_three_tutorials() -> None:
    assert [page.stem for page in PAGES] == ["add-a-field", "add-a-service", "add-an-event"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_edits_of_a_page_fit_the_files_that_are_here(page: Path, tmp_path: Path) -> None:
    """The commands are not run, but for the template of the service that the page makes."""
    if new := re.search(r"shop new service ([a-z]+)$", page.read_text(), re.MULTILINE):
        render(new[1], "06", ROOT, tmp_path)
    edits = [step for step in steps(page.read_text()) if isinstance(step, Edit)]
    assert edits
    for edit in edits:
        if (ROOT / edit.file).is_file() and not (tmp_path / edit.file).exists():
            (tmp_path / edit.file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / edit.file, tmp_path / edit.file)
        apply(edit, tmp_path)
