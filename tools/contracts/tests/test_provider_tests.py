"""The tests of a provider are run in a folder of their own, and only those that compare it with its consumers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from shop_contracts.answer import verifying
from shop_contracts.answer.pairs import Party
from shop_contracts.answer.verifying import run_tests
from shop_contracts.answer.workplace import Provider
from shop_stack.errors import UserError

CONTRACT_TEST = "services/shelf/tests/contract/test_shelf_expectations.py"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A release of `shelf` whose tests below `unit` cannot be collected."""
    write(tmp_path / "contracts/README.md", "")
    write(tmp_path / "services/shelf/tests/unit/test_broken.py", "raise RuntimeError('not a field')\n")
    write(
        tmp_path / CONTRACT_TEST,
        "import pytest\n\n"
        "@pytest.mark.parametrize('consumer', ['desk'])\n"
        "def test_shelf_sends_what_its_consumers_have_written_down(consumer):\n    pass\n",
    )

    async def checked_out(_: Path, __: Party) -> Provider:
        return Provider(Path(sys.executable), tmp_path, "services/shelf", ())

    monkeypatch.setattr(verifying, "provider_of", checked_out)
    return tmp_path


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


PARTY = Party("shelf", None)


async def test_a_test_of_the_provider_that_compares_nothing_may_be_broken(shelf: Path) -> None:
    report = await run_tests(shelf, PARTY, [])
    assert report.findings == ()
    assert report.verified == {"desk"}


async def test_tests_that_cannot_be_collected_are_refused_with_their_error(shelf: Path) -> None:
    write(
        shelf / CONTRACT_TEST,
        "def test_what_consumers_have_written_down(): ...\nraise RuntimeError('no such field')\n",
    )
    with pytest.raises(UserError, match="shelf .* could not be run: .*no such field"):
        await run_tests(shelf, PARTY, [])
