"""Commands and options that do not fit the shape of the shop say so in one sentence, with the cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from shop.commands.lab import use_shop_of
from shop.commands.up import require_fitting
from shop.deferred import WHERE
from shop.labs.pages import find
from shop.shapes import NEED_FIVE_SERVICES, require_five_services
from shop_stack import shapes
from shop_stack.connect import VARIABLE
from shop_stack.errors import UserError
from shop_stack.paths import repository
from shop_stack.shapes import Shape


@pytest.fixture
def monolith(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a monolith's data, which is the one that commands use."""
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18")
    shapes.store(tmp_path, Shape.parse("monolith"))
    monkeypatch.setenv("SHOP_STATE", str(tmp_path))
    monkeypatch.setenv(VARIABLE, "embedded")
    return tmp_path


@pytest.mark.parametrize("command", sorted(NEED_FIVE_SERVICES))
def test_a_command_that_needs_five_services_says_so(monolith: Path, command: str) -> None:
    with pytest.raises(UserError) as error:
        require_five_services(command)
    assert str(error.value) == (
        f"`shop {command}` needs a shop of five services, and the data in {monolith} is that of a monolith: "
        "`shop down --wipe` deletes it, then `shop up` starts five services."
    )


@pytest.mark.usefixtures("monolith")
def test_the_other_commands_work_in_each_shape() -> None:
    assert set(WHERE) > NEED_FIVE_SERVICES
    for command in {*WHERE, None} - NEED_FIVE_SERVICES:
        require_five_services(command)


def test_a_lab_names_the_shape_that_it_needs(monolith: Path) -> None:
    root = repository()
    use_shop_of(find(root, "architectures/run-the-monolith"))
    with pytest.raises(UserError) as error:
        use_shop_of(find(root, "kill-a-service"))
    assert str(error.value) == (
        f"The lab kill-a-service needs a shop of five services, and the data in {monolith} is that of a monolith: "
        "`shop down --wipe` deletes it, then `shop up` starts five services."
    )
    shapes.store(monolith, Shape())
    use_shop_of(find(root, "kill-a-service"))
    with pytest.raises(UserError) as error:
        use_shop_of(find(root, "architectures/run-the-monolith"))
    assert str(error.value) == (
        f"The lab architectures/run-the-monolith needs a monolith, and the data in {monolith} is that of five "
        'services: `shop down --wipe` deletes it, then `shop up --as "monolith"` starts it.'
    )


def test_five_services_are_refused_no_command(monolith: Path) -> None:
    shapes.store(monolith, Shape())
    for command in WHERE:
        require_five_services(command)


def test_another_target_is_not_judged_by_the_data_of_this_folder(
    monolith: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "compose")
    require_five_services("chaos")


def test_a_monolith_has_neither_an_archive_nor_objectives_nor_brokers() -> None:
    monolith = Shape.parse("monolith")
    require_fitting(Shape(), brokers=3, with_archive=True, with_observability=True)
    require_fitting(monolith, brokers=None, with_archive=False, with_observability=False)
    with pytest.raises(
        UserError, match="this shop is a monolith: leave out `--archive`, or start five services in"
    ):
        require_fitting(monolith, brokers=None, with_archive=True, with_observability=False)
    with pytest.raises(
        UserError, match="This shop is a monolith: leave out `--observability`, or start five"
    ):
        require_fitting(monolith, brokers=None, with_archive=False, with_observability=True)
    with pytest.raises(UserError, match="A monolith has no Kafka, and so no brokers: leave out `--brokers`"):
        require_fitting(monolith, brokers=1, with_archive=False, with_observability=False)
