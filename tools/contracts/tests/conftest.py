"""Fixtures of the tests of contracts and releases."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.contracts.tests.mini_clone import Clone, filled


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """A clone with two services and one commit, without a release."""
    return filled(tmp_path)
