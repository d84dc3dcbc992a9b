"""N is the clone or a named release, and N−1 the last release before it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from shop_contracts.releases.model import Api, Lock, Migrations, Release, Trees
from shop_lab.skew.pairs import Pair, Side, before
from shop_lab.skew.schema import head_of_release
from shop_stack.deployments import CLONE, Deployed
from shop_stack.errors import UserError


def release(version: str) -> Release:
    return Release(
        service="orders",
        version=version,
        date=date(2026, 1, 1),
        commit="0" * 40,
        trees=Trees("", "", ""),
        lock=Lock(""),
        migrations=Migrations("0001"),
        publishes={},
        reads={},
        api=Api(1),
        expectations={},
    )


RELEASES = [release("0.1.0"), release("0.9.0"), release("0.10.0")]


@pytest.mark.parametrize(
    ("version", "earlier"), [(CLONE, "0.10.0"), ("0.10.0", "0.9.0"), ("0.9.0", "0.1.0"), ("0.9.5", "0.9.0")]
)
def test_the_release_before_is_the_last_one_with_a_lower_version(version: str, earlier: str) -> None:
    assert before(RELEASES, "orders", version).version == earlier


@pytest.mark.parametrize(("known", "version"), [([], CLONE), (RELEASES, "0.1.0")])
def test_a_service_without_an_earlier_release_is_refused_with_the_cure(
    known: list[Release], version: str
) -> None:
    with pytest.raises(UserError, match="`shop release orders`"):
        before(known, "orders", version)


def test_a_pair_knows_the_side_of_a_version() -> None:
    pair = Pair(Deployed("orders", "0.1.0", Path("a")), Deployed("orders", CLONE, Path("b")))
    assert (pair.service, pair.side_of("0.1.0"), pair.side_of(CLONE)) == ("orders", Side.OLD, Side.NEW)
    assert pair.side_of("0.0.1") is None
    assert pair.at(Side.NEW).version == CLONE


def test_the_head_of_a_release_is_the_migration_that_no_other_follows(tmp_path: Path) -> None:
    versions = tmp_path / "services" / "orders" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions / "0001_first.py").write_text('revision = "0001"\ndown_revision = None\n')
    (versions / "0002_second.py").write_text('revision: str = "0002"\ndown_revision: str | None = "0001"\n')
    assert head_of_release(Deployed("orders", "0.1.0", tmp_path)) == "0002"
