"""The shape of a shop: how it is written, and what bad input is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shop_stack import checks, embedded, groups, parts, shapes, topics, venvs
from shop_stack.errors import UserError
from shop_stack.ports import SERVICES
from shop_stack.shapes import Shape

PAIRS = "orders+inventory | payments+notifications | analytics"


def data_of(state: Path, shape: Shape) -> None:
    """Make a folder look like one with data."""
    (state / "postgres").mkdir(parents=True)
    (state / "postgres" / "PG_VERSION").write_text("18")
    shapes.store(state, shape)


def test_groups_are_written_with_plus_and_bar() -> None:
    shape = Shape.parse(" inventory + orders|notifications+payments | analytics")
    assert shape.groups == (("orders", "inventory"), ("payments", "notifications"), ("analytics",))
    assert shape == Shape.parse(PAIRS)
    assert shape.text == PAIRS
    assert shape.units == ("orders+inventory", "payments+notifications", "analytics")
    assert (shape.unit_of("inventory"), shape.unit_of("analytics")) == ("orders+inventory", "analytics")
    assert shape.has_kafka


def test_a_monolith_is_one_group_without_kafka() -> None:
    shape = Shape.parse("monolith")
    assert shape.groups == (SERVICES,)
    assert shape == Shape.parse("+".join(reversed(SERVICES)))
    assert (shape.units, shape.text, shape.has_kafka) == (("monolith",), "monolith", False)


def test_five_services_are_the_default() -> None:
    assert Shape() == Shape.parse("services") == Shape.parse("|".join(SERVICES))
    assert Shape().is_five_services
    assert Shape().units == SERVICES


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "orders+shipping | inventory",
            "There is no module 'shipping': a group has some of orders, inventory,",
        ),
        ("", "There is no module ''"),
        ("monolit", "There is no module 'monolit'"),
        (
            "orders+orders+inventory | payments | notifications | analytics",
            "The module orders is named twice",
        ),
        (
            "orders+inventory | inventory+payments | notifications | analytics",
            "The module inventory is named twice",
        ),
        ("orders+inventory | payments", "No group has the module notifications"),
    ],
)
def test_bad_groups_get_one_sentence_with_the_cure(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as error:
        Shape.parse(text)
    assert str(error.value).startswith(sentence)
    assert '--as "orders+inventory | payments+notifications | analytics"' in str(error.value)
    assert "\n" not in str(error.value)


def test_data_belongs_to_one_shape(tmp_path: Path) -> None:
    data_of(tmp_path, Shape.parse("monolith"))
    shapes.require(tmp_path, Shape.parse("monolith"))
    with pytest.raises(UserError) as error:
        shapes.require(tmp_path, Shape())
    assert str(error.value) == (
        f"The data in {tmp_path} is that of a monolith, and a shop as five services cannot use it: start it with "
        '`shop up --as "monolith"`, or delete the data with `shop down --wipe`.'
    )


def test_a_monolith_without_one_module_is_made_whole_again_by_another_command(tmp_path: Path) -> None:
    data_of(tmp_path, Shape.parse("orders+inventory+notifications+analytics | payments"))
    with pytest.raises(
        UserError, match="and then make it one with `shop emancipate payments --back`, or delete"
    ):
        shapes.require(tmp_path, Shape.parse("monolith"))
    with pytest.raises(UserError, match=r"payments \| .*`, or delete|\| payments\"`, or delete"):
        shapes.require(tmp_path, Shape())


def test_data_of_five_services_is_refused_to_a_monolith_before_anything_starts(tmp_path: Path) -> None:
    data_of(tmp_path, Shape())
    stack = embedded.stack(tmp_path, 28_000, shape=Shape.parse("monolith"))
    with pytest.raises(UserError, match='start it with `shop up --as "services"`'):
        checks.before_start(stack)


def test_a_folder_without_data_takes_any_shape(tmp_path: Path) -> None:
    shapes.store(tmp_path, Shape.parse("monolith"))  # a start that failed before it had a database
    shapes.require(tmp_path, Shape.parse(PAIRS))
    assert embedded.stack(tmp_path, 28_000).shape == Shape()


def test_a_stack_is_found_again_in_its_shape(tmp_path: Path) -> None:
    data_of(tmp_path, Shape.parse(PAIRS))
    stack = embedded.stack(tmp_path, 28_000)
    assert stack.shape == Shape.parse(PAIRS)
    assert stack.units == stack.shape.units
    assert {"kafka", "orders+inventory", "analytics"} <= set(stack.parts)
    assert stack.members("orders+inventory") == ("orders", "inventory")
    assert stack.members("kafka") == ()
    assert stack.port_of("orders+inventory") == stack.ports.service("orders")


def test_a_monolith_has_no_broker(tmp_path: Path) -> None:
    stack = embedded.stack(tmp_path, 28_000, shape=Shape.parse("monolith"))
    assert stack.broker_names == ()
    assert stack.parts == ("postgres", "spans", "processor", "issuer", "monolith")


def test_a_damaged_file_gets_one_sentence(tmp_path: Path) -> None:
    data_of(tmp_path, Shape.parse("monolith"))
    (tmp_path / shapes.FILE).write_text("{")
    with pytest.raises(UserError, match="says which services share a database: put it back as it was"):
        embedded.stack(tmp_path, 28_000)


def test_a_module_of_a_group_is_no_process(tmp_path: Path) -> None:
    stack = embedded.stack(tmp_path, 28_000, shape=Shape.parse("monolith"))
    with pytest.raises(UserError, match="payments is a module of the process monolith: name that one"):
        embedded.require_known(stack, "payments")


def test_a_variable_of_the_starting_program_does_not_replace_that_of_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OIDC_ISSUER", "https://another.example")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "another")
    stack = embedded.stack(tmp_path, 28_000, shape=Shape.parse("monolith"))
    assert groups.settings_of(stack, "orders")["OIDC_ISSUER"] == stack.issuer.url
    assert groups.settings_of(stack, "orders")["KAFKA_BOOTSTRAP_SERVERS"] == "none"
    process = groups.environment_of(stack, "monolith")
    assert {"OIDC_ISSUER", "HTTP_PORT", "DATABASE_URL", "OTEL_SERVICE_NAME"}.isdisjoint(process)
    assert process["OTEL_EXPORTER_OTLP_ENDPOINT"] == stack.url("spans")


def test_a_value_with_quotes_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = {"A": "it's $HOME \\ # no comment", "B": ""}
    (tmp_path / "file.env").write_text(groups.as_file(written))
    read = dict(line.split("=", 1) for line in (tmp_path / "file.env").read_text().splitlines())
    assert read == {"A": "'it\\'s $HOME \\\\ # no comment'", "B": "''"}


def test_a_group_is_installed_from_the_locks_of_its_services() -> None:
    project = venvs.group(("orders", "inventory"))
    assert project.name == "orders+inventory"
    assert [file.parent.name for file in project.locks] == ["orders", "inventory"]
    assert [folder.name for folder in project.installed] == ["chassis", "orders", "inventory"]


@pytest.mark.parametrize("groups", ["services", "monolith", PAIRS])
def test_each_grouping_has_both_sagas_and_data_belongs_to_one(tmp_path: Path, groups: str) -> None:
    orchestrated = Shape.parse(groups, "orchestrated")
    assert orchestrated != Shape.parse(groups)
    assert (orchestrated.groups, orchestrated.text) == (Shape.parse(groups).groups, Shape.parse(groups).text)
    data_of(tmp_path, orchestrated)
    assert embedded.stack(tmp_path, 28_000).shape == orchestrated
    with pytest.raises(UserError) as error:
        shapes.require(tmp_path, Shape.parse(groups))
    text = Shape.parse(groups).text
    assert f'start it with `shop up --as "{text}" --saga orchestrated`, or delete' in str(error.value)
    assert "with an orchestrated saga" in str(error.value)


def test_an_unknown_saga_gets_one_sentence_with_the_cure() -> None:
    with pytest.raises(UserError) as error:
        Shape.parse("monolith", "conducted")
    assert str(error.value) == (
        "There is no saga 'conducted': a saga is choreographed or orchestrated; say for example `--saga orchestrated`."
    )


def test_the_saga_chooses_the_contracts_and_the_subscriptions(tmp_path: Path) -> None:
    for saga, folder in (("choreographed", "contracts"), ("orchestrated", "orchestrated")):
        stack = embedded.stack(tmp_path, 28_000, shape=Shape().with_saga(saga))
        assert stack.contracts.name == folder
        assert parts.service_environment(stack, "payments")["SHOP_SAGA"] == saga
        rights = topics.rights_of(stack.contracts, ["payments"])
        read = {right.name for right in rights if right.operation == "Read" and right.resource == "topic"}
        assert ("orders.order.v1" in read) is (saga == "choreographed")
        assert ("orders.payments-command.v1" in read) is (saga == "orchestrated")


def test_a_file_from_before_there_were_two_sagas_is_of_the_first_one(tmp_path: Path) -> None:
    data_of(tmp_path, Shape.parse("monolith"))
    (tmp_path / shapes.FILE).write_text(json.dumps({"groups": [SERVICES]}))
    assert shapes.stored(tmp_path) == Shape.parse("monolith")
    (tmp_path / shapes.FILE).write_text('{"groups": [["orders"]], "tx": "single"}')
    with pytest.raises(UserError, match="put it back as it was"):
        shapes.stored(tmp_path)
    (tmp_path / shapes.FILE).write_text('{"groups": [], "saga": "conducted"}')
    with pytest.raises(UserError, match="put it back as it was"):
        shapes.stored(tmp_path)


@pytest.mark.parametrize("groups", ["monolith", "orders+inventory+payments | notifications | analytics"])
def test_a_group_with_the_saga_can_have_one_transaction_and_data_belongs_to_one(
    tmp_path: Path, groups: str
) -> None:
    single = Shape.parse(groups, tx="single")
    assert single.is_single
    assert single != Shape.parse(groups)
    data_of(tmp_path, single)
    assert embedded.stack(tmp_path, 28_000).shape == single
    with pytest.raises(UserError) as error:
        shapes.require(tmp_path, Shape.parse(groups))
    assert f'start it with `shop up --as "{groups}" --tx single`, or delete' in str(error.value)
    assert "whose saga is one transaction, and a shop as" in str(error.value)


@pytest.mark.parametrize(
    "groups", ["services", PAIRS, "orders+payments | inventory+notifications | analytics"]
)
def test_one_transaction_needs_the_saga_in_one_group(groups: str) -> None:
    with pytest.raises(UserError) as error:
        Shape.parse(groups, tx="single")
    assert str(error.value) == (
        "A saga is one transaction only in one database, and here orders, inventory, payments are not in one group: "
        'say for example `--as monolith --tx single`, or `--as "orders+inventory+payments | notifications | '
        'analytics" --tx single`.'
    )


def test_one_transaction_has_no_orchestrator() -> None:
    with pytest.raises(UserError) as error:
        Shape.parse("monolith", "orchestrated", "single")
    assert str(error.value) == (
        "A saga that is one transaction has no steps for an orchestrator: leave out `--saga orchestrated`, "
        "or leave out `--tx single`."
    )


def test_other_transactions_get_one_sentence_with_the_cure() -> None:
    with pytest.raises(UserError) as error:
        Shape.parse("monolith", tx="double")
    assert str(error.value) == (
        "There is no way 'double' to divide a saga into transactions: say `--tx steps` or `--tx single`."
    )


def test_each_module_is_told_how_many_transactions_a_saga_has(tmp_path: Path) -> None:
    for tx in ("steps", "single"):
        stack = embedded.stack(tmp_path, 28_000, shape=Shape.parse("monolith", tx=tx))
        assert {groups.settings_of(stack, name)["SHOP_TX"] for name in SERVICES} == {tx}
    beside = Shape.parse("orders+inventory+payments | notifications+analytics", tx="single")
    stack = embedded.stack(tmp_path, 28_000, shape=beside)
    told = {name: parts.service_environment(stack, name)["SHOP_TX"] for name in SERVICES}
    assert [name for name in SERVICES if told[name] == "single"] == list(shapes.OF_THE_SAGA)


def test_a_service_that_no_group_names_is_one_of_its_own() -> None:
    assert (
        Shape.with_others("orders+inventory").text
        == "orders+inventory | payments | notifications | analytics"
    )
