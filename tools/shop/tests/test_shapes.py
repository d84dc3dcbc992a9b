"""Commands and options that do not fit the shape of the shop say so in one sentence, with the cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from shop.commands.lab import use_shop_of
from shop.commands.up import require_fitting, wanted_shape
from shop.deferred import WHERE
from shop.labs.pages import find
from shop.shapes import NEED_FIVE_PROCESSES, NEED_FIVE_SERVICES, require_five_services
from shop_stack import shapes
from shop_stack.connect import VARIABLE
from shop_stack.errors import UserError
from shop_stack.paths import repository
from shop_stack.shapes import ORCHESTRATED, SINGLE, Shape


@pytest.fixture
def monolith(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a monolith's data, which is the one that commands use."""
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18")
    shapes.store(tmp_path, Shape.parse("monolith"))
    monkeypatch.setenv("SHOP_STATE", str(tmp_path))
    monkeypatch.setenv(VARIABLE, "embedded")
    return tmp_path


@pytest.mark.parametrize("command", sorted(NEED_FIVE_SERVICES | NEED_FIVE_PROCESSES))
def test_a_command_that_needs_five_services_says_so(monolith: Path, command: str) -> None:
    with pytest.raises(UserError) as error:
        require_five_services(command)
    assert str(error.value) == (
        f"`shop {command}` needs a shop of five services, and the data in {monolith} is that of a monolith: "
        "`shop down --wipe` deletes it, then `shop up` starts five services."
    )


@pytest.mark.usefixtures("monolith")
def test_the_other_commands_work_in_each_shape() -> None:
    needing = NEED_FIVE_SERVICES | NEED_FIVE_PROCESSES
    assert set(WHERE) > needing
    for command in {*WHERE, None} - needing:
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


def test_five_services_with_an_orchestrated_saga_have_why_and_not_what_changes_a_release(
    monolith: Path,
) -> None:
    shapes.store(monolith, Shape.parse("services", ORCHESTRATED))
    require_five_services("why")
    with pytest.raises(UserError, match="is that of five services with an orchestrated saga: `shop down"):
        require_five_services("deploy")


def test_the_options_of_up_name_a_shape(monolith: Path) -> None:
    assert wanted_shape(None, None) is None
    assert wanted_shape("services", None) == Shape()
    assert wanted_shape("monolith", ORCHESTRATED) == Shape.parse("monolith", ORCHESTRATED)
    assert wanted_shape(None, ORCHESTRATED) == Shape.parse("monolith", ORCHESTRATED), "the groups of the data"
    with pytest.raises(
        UserError, match="There is no saga 'conducted': a saga is choreographed or orchestrated"
    ):
        wanted_shape(None, "conducted")
    shapes.store(monolith, Shape())
    assert wanted_shape(None, ORCHESTRATED) == Shape().with_saga(ORCHESTRATED)


def test_the_option_tx_keeps_the_groups_and_fits_them(monolith: Path) -> None:
    single = Shape.parse("monolith", tx=SINGLE)
    assert wanted_shape(None, None, SINGLE) == single, "the groups of the data"
    assert wanted_shape("monolith", None, SINGLE) == single
    with pytest.raises(
        UserError, match="A saga that is one transaction has no steps for an orchestrator: leave"
    ):
        wanted_shape("monolith", ORCHESTRATED, SINGLE)
    with pytest.raises(
        UserError, match="here orders, inventory, payments are not in one group: say for example"
    ):
        wanted_shape("services", None, SINGLE)
    shapes.store(monolith, single)
    assert wanted_shape(None, None, "steps") == Shape.parse("monolith")
    assert wanted_shape("monolith", None) == Shape.parse("monolith")
    with pytest.raises(UserError, match="has no steps for an orchestrator"):
        wanted_shape(None, ORCHESTRATED)


def test_a_single_transaction_is_no_shop_of_five_services(monolith: Path) -> None:
    shapes.store(monolith, Shape.parse("monolith", tx=SINGLE))
    with pytest.raises(UserError, match="is that of a monolith whose saga is one transaction: `shop down"):
        require_five_services("why")


def test_an_orchestrated_shop_has_objectives_and_no_archive() -> None:
    orchestrated = Shape().with_saga(ORCHESTRATED)
    require_fitting(orchestrated, brokers=3, with_archive=False, with_observability=True)
    with pytest.raises(
        UserError, match="this shop is five services with an orchestrated saga: leave out `--arch"
    ):
        require_fitting(orchestrated, brokers=None, with_archive=True, with_observability=False)
