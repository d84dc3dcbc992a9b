"""Whether the committed expectations name providers that exist."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from shop_contracts.contracts import Contracts
from shop_contracts.releases.providers import require_providers
from shop_stack.errors import UserError
from shop_stack.paths import repository


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """contracts/ of this repository, and the names of its services."""
    shutil.copytree(repository() / "contracts", tmp_path / "contracts")
    for project in (repository() / "services").glob("*/pyproject.toml"):
        copied = tmp_path / "services" / project.parent.name
        copied.mkdir(parents=True)
        shutil.copy(project, copied)
    return tmp_path


def test_each_committed_expectation_names_a_provider_that_exists(clone: Path) -> None:
    contracts = Contracts(clone)
    require_providers(contracts)
    assert {"analytics", "notifications"} <= set(contracts.consumers)


def test_an_expectation_of_an_unknown_provider_is_named_with_its_file(clone: Path) -> None:
    consumer = clone / "contracts" / "consumers" / "analytics"
    shutil.copy(consumer / "orders.json", consumer / "warehouse.json")
    with pytest.raises(UserError) as refused:
        require_providers(Contracts(clone))
    assert str(refused.value).startswith(
        "contracts/consumers/analytics/warehouse.json expects something of 'warehouse', and there is no such provider"
    )
