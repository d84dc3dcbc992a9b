"""`shop contracts check`: each break of a released contract is found, with the consumers that read the place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import jsoncompat
import pytest
import yaml

from shop_contracts.compatibility.changes import changes
from shop_contracts.compatibility.gate import Finding, check
from shop_contracts.contracts import Contracts
from shop_contracts.releases.freezing import freeze_event, freeze_shared
from shop_stack.paths import repository

CONFIRMED = "orders.order-confirmed.v1"
DECLINED = "payments.payment-declined.v1"
REJECTED = "inventory.stock-rejected.v1"
TYPES = sorted(Contracts(repository()).events)
Change = Callable[[dict[str, Any]], None]


class Clone:
    """A copy of contracts/ in which the texts of today are released."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(repository() / "contracts", root / "contracts")
        for folder in [*(root / "contracts").rglob("released")]:
            shutil.rmtree(folder)
        self.release()

    def release(self) -> None:
        """Freeze the texts as they are now."""
        contracts = Contracts(self.root)
        freeze_shared(contracts)
        for type_ in contracts.events:
            freeze_event(contracts, type_)

    def change(self, type_: str, how: Change) -> None:
        """Change the schema of an event."""
        file = Contracts(self.root).events[type_].file
        schema = json.loads(file.read_text())
        how(schema)
        file.write_text(json.dumps(schema, indent=2))

    def change_topic(self, name: str, **values: Any) -> None:
        """Change the entry of a topic in topics.yaml."""
        file = self.root / "contracts" / "topics.yaml"
        document = yaml.safe_load(file.read_text())
        (topic,) = [topic for topic in document["topics"] if topic["name"] == name]
        topic.update(values)
        file.write_text(yaml.safe_dump(document))

    def findings(self, today: date | None = None) -> list[Finding]:
        return [finding for verdict in check(Contracts(self.root), today) for finding in verdict.findings]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def only(findings: list[Finding], type_: str, place: str) -> Finding:
    """The one finding, which must be about this place."""
    assert [(finding.event, finding.place) for finding in findings] == [(type_, place)]
    return findings[0]


def test_unchanged_contracts_have_no_finding(clone: Clone) -> None:
    assert clone.findings() == []
    assert all(verdict.compared == 1 for verdict in check(Contracts(clone.root)))


@pytest.mark.parametrize("type_", TYPES)
def test_an_optional_property_may_be_added_to_each_event(clone: Clone, type_: str) -> None:
    def add(schema: dict[str, Any]) -> None:
        schema["properties"]["extra"] = {"type": "string"}
        schema["x-optional"] = {**schema.get("x-optional", {}), "extra": "2026-12-01"}

    clone.change(type_, add)
    assert clone.findings() == []


def require_extra(schema: dict[str, Any]) -> None:
    """Add a property that each message must have, or make it required."""
    schema["properties"]["extra"] = {"type": "string"}
    schema["required"].append("extra")
    schema.pop("x-optional", None)


def release_optional_extra(clone: Clone, type_: str) -> None:
    """Release a text in which the property is optional, with its date."""

    def add(schema: dict[str, Any]) -> None:
        schema["properties"]["extra"] = {"type": "string"}
        schema["x-optional"] = {**schema.get("x-optional", {}), "extra": "2026-12-01"}

    clone.change(type_, add)
    clone.release()


def test_a_new_property_that_is_required_at_once_is_found(clone: Clone) -> None:
    clone.change(CONFIRMED, require_extra)
    finding = only(clone.findings(), CONFIRMED, "extra")
    assert finding.what == "is required, and released messages lack it"
    assert "`x-optional`" in finding.cure


@pytest.mark.parametrize(
    ("today", "found"),
    [
        (date(2026, 12, 23), ["is required, and messages without it may exist until 2026-12-24"]),
        (date(2026, 12, 24), []),
    ],
)
def test_a_property_may_be_required_when_no_message_lacks_it(
    clone: Clone, today: date, found: list[str]
) -> None:
    release_optional_extra(clone, CONFIRMED)
    clone.change(CONFIRMED, require_extra)
    assert [finding.what for finding in clone.findings(today)] == found


def add_tax(schema: dict[str, Any], required: bool = False) -> None:
    """Add a property to the amount, which is an object within the data."""
    money = schema["$defs"]["money"]
    money["properties"]["tax_minor"] = {"type": "integer", "maximum": 10}
    if required:
        money["required"].append("tax_minor")
    else:
        money["x-optional"] = {"tax_minor": "2026-12-01"}


def test_an_optional_property_may_be_added_to_an_object_within_the_data(clone: Clone) -> None:
    clone.change(CONFIRMED, add_tax)
    assert clone.findings() == []


def test_a_required_property_of_an_object_within_the_data_is_found(clone: Clone) -> None:
    clone.change(CONFIRMED, lambda schema: add_tax(schema, required=True))
    assert only(clone.findings(), CONFIRMED, "total.tax_minor").what == (
        "is required, and released messages lack it"
    )


def test_a_property_within_the_data_may_be_required_after_its_date(clone: Clone) -> None:
    clone.change(CONFIRMED, add_tax)
    clone.release()

    def require(schema: dict[str, Any]) -> None:
        schema["$defs"]["money"]["required"].append("tax_minor")
        del schema["$defs"]["money"]["x-optional"]

    clone.change(CONFIRMED, require)
    finding = only(clone.findings(date(2026, 12, 23)), CONFIRMED, "total.tax_minor")
    assert finding.what == "is required, and messages without it may exist until 2026-12-24"
    assert clone.findings(date(2026, 12, 24)) == []


def test_a_rule_of_optional_properties_holds_within_the_data_too(clone: Clone) -> None:
    def add(schema: dict[str, Any]) -> None:
        money = schema["$defs"]["money"]
        money["properties"]["tax_minor"] = {"type": "integer", "maximum": 10}
        money["x-optional"] = {"unheard_of": "2026-12-01", "currency": "2026-12-01"}

    clone.change(CONFIRMED, add)
    assert {(finding.place, finding.what) for finding in clone.findings()} == {
        ("total.unheard_of", "is in `x-optional` and is no property"),
        ("total.currency", "is in `x-optional` and in `required`"),
        ("total.tax_minor", "is neither in `required` nor in `x-optional`"),
    }


def test_on_a_compacted_topic_a_property_stays_optional(clone: Clone) -> None:
    listed = "inventory.product-listed.v1"
    release_optional_extra(clone, listed)
    clone.change(listed, require_extra)
    finding = only(clone.findings(date(2036, 1, 1)), listed, "extra")
    assert finding.what == "is required, and its topic keeps messages without it"


def test_a_removed_field_is_found_with_its_readers(clone: Clone) -> None:
    def remove(schema: dict[str, Any]) -> None:
        del schema["properties"]["total"]
        schema["required"].remove("total")

    clone.change(CONFIRMED, remove)
    finding = only(clone.findings(), CONFIRMED, "total")
    assert finding.what == "was removed"
    assert finding.since == 1
    assert finding.consumers == ("notifications",)  # the others read the order's id alone
    assert "Way out: send a new property beside it" in finding.sentence


def test_a_field_that_is_renamed_everywhere_in_one_commit_is_found(clone: Clone) -> None:
    def rename(schema: dict[str, Any]) -> None:
        schema["properties"]["amount"] = schema["properties"].pop("total")
        schema["required"] = ["amount" if name == "total" else name for name in schema["required"]]

    clone.change(CONFIRMED, rename)
    assert only(clone.findings(), CONFIRMED, "total").what == "was renamed to `amount`"


def test_a_field_that_becomes_optional_is_found(clone: Clone) -> None:
    clone.change(CONFIRMED, lambda schema: schema["required"].remove("total"))
    assert only(clone.findings(), CONFIRMED, "total").what == "may be absent"


def test_another_type_of_a_nested_field_is_found(clone: Clone) -> None:
    def change(schema: dict[str, Any]) -> None:
        schema["$defs"]["money"]["properties"]["amount_minor"] = {"type": "string"}

    clone.change(CONFIRMED, change)
    findings = clone.findings()
    assert {finding.place for finding in findings} == {"total.amount_minor"}
    assert "was integer and is string" in {finding.what for finding in findings}


def test_a_new_value_of_a_closed_list_is_found(clone: Clone) -> None:
    def close(schema: dict[str, Any]) -> None:
        del schema["properties"]["reason"]["x-extensible-enum"]

    clone.change(DECLINED, close)
    clone.release()
    clone.change(DECLINED, lambda schema: schema["properties"]["reason"]["enum"].append("stolen"))
    finding = only(clone.findings(), DECLINED, "reason")
    assert finding.what == "may have new values: stolen"
    assert finding.since == 2


def test_a_value_that_is_taken_out_of_a_closed_list_is_found(clone: Clone) -> None:
    def close(schema: dict[str, Any]) -> None:
        del schema["properties"]["reason"]["x-extensible-enum"]

    clone.change(DECLINED, close)
    clone.release()
    clone.change(DECLINED, lambda schema: schema["properties"]["reason"]["enum"].remove("unknown_token"))
    finding = only(clone.findings(), DECLINED, "reason")
    assert finding.what == "lost values that stored messages may have: unknown_token"
    assert "leave them in the list" in finding.cure


def test_a_value_may_be_taken_out_of_a_list_whose_readers_take_any_value(clone: Clone) -> None:
    clone.change(DECLINED, lambda schema: schema["properties"]["reason"]["enum"].remove("unknown_token"))
    assert clone.findings() == []


def test_a_list_that_may_grow_may_grow(clone: Clone) -> None:
    clone.change(DECLINED, lambda schema: schema["properties"]["reason"]["enum"].append("stolen"))
    assert clone.findings() == []


def test_a_looser_limit_is_found(clone: Clone) -> None:
    clone.change(CONFIRMED, lambda schema: schema["properties"]["customer_id"].update(maxLength=200))
    assert only(clone.findings(), CONFIRMED, "customer_id").what == "had maxLength 64 and has 200"


def test_a_narrower_limit_is_no_finding(clone: Clone) -> None:
    clone.change(CONFIRMED, lambda schema: schema["properties"]["customer_id"].update(maxLength=32))
    assert clone.findings() == []


def test_another_format_is_found(clone: Clone) -> None:
    """jsoncompat ignores `format`, so a rule of our own decides."""
    clone.change(CONFIRMED, lambda schema: schema["properties"]["customer_id"].update(format="uuid"))
    assert only(clone.findings(), CONFIRMED, "customer_id").what == "had the format none and has uuid"


def test_another_key_is_found(clone: Clone) -> None:
    clone.change_topic("payments.payment.v1", key="payment_id")
    findings = clone.findings()
    assert {finding.what for finding in findings} == {"had the key order_id and has payment_id"}
    assert {finding.event for finding in findings} == {
        type_ for type_ in TYPES if type_.startswith("payments.")
    }


def test_fewer_partitions_are_found(clone: Clone) -> None:
    clone.change_topic("payments.payment.v1", partitions=6)
    assert {finding.what for finding in clone.findings()} == {"had 12 partitions and has 6"}


def test_an_event_that_is_on_no_topic_any_more_is_found_while_it_has_readers(clone: Clone) -> None:
    topic = Contracts(clone.root).topic_of(DECLINED)
    assert topic is not None
    clone.change_topic(topic.name, events=[type_ for type_ in topic.events if type_ != DECLINED])
    finding = only(clone.findings(), DECLINED, "")
    assert finding.what == "is on no topic any more"
    assert "orders" in finding.consumers


def test_each_released_text_counts_and_not_only_the_last_one(clone: Clone) -> None:
    clone.change(CONFIRMED, lambda schema: schema["properties"]["customer_id"].update(maxLength=32))
    clone.release()
    clone.change(CONFIRMED, lambda schema: schema["properties"]["customer_id"].update(maxLength=100))
    finding = only(clone.findings(), CONFIRMED, "customer_id")
    assert finding.since == 1


@pytest.mark.parametrize(
    ("optional", "what"),
    [
        ({"unheard_of": "2026-12-01"}, "is in `x-optional` and is no property"),
        ({"total": "2026-12-01"}, "is in `x-optional` and in `required`"),
    ],
)
def test_an_optional_property_must_be_one(clone: Clone, optional: dict[str, str], what: str) -> None:
    clone.change(CONFIRMED, lambda schema: schema.update({"x-optional": optional}))
    assert [finding.what for finding in clone.findings()] == [what]


def test_an_optional_property_has_a_date(clone: Clone) -> None:
    def add(schema: dict[str, Any]) -> None:
        schema["properties"]["extra"] = {"type": "string"}
        schema["x-optional"] = {"extra": "soon"}

    clone.change(CONFIRMED, add)
    assert "'soon'" in only(clone.findings(), CONFIRMED, "extra").what


def test_a_change_without_a_rule_of_ours_is_found_by_jsoncompat() -> None:
    old = {"type": "array", "uniqueItems": True}
    (change,) = changes(old, {"type": "array"})
    assert change.what == "allows messages that its released schema refuses"


def test_jsoncompat_still_refuses_a_schema_with_a_name() -> None:
    """Fails when it does not: then the schemas need not lose their `$id` before they are compared."""
    named = json.dumps({"$id": "urn:shopfloor:schema:a:v1", "type": "object"})
    with pytest.raises(ValueError, match="unsupported reference"):
        jsoncompat.check_compat(named, named, "serializer")


def test_jsoncompat_still_ignores_formats() -> None:
    """Fails when it does not: then our own rule on `format` is needless."""
    assert jsoncompat.check_compat('{"type": "string", "format": "uuid"}', '{"type": "string"}', "serializer")
