"""The table of all inputs."""

from __future__ import annotations

from shop_lab.experiments.foreign_inputs import records, requests, servers
from shop_lab.experiments.foreign_inputs import silence as silences
from shop_lab.experiments.foreign_inputs.batches import Codec
from shop_lab.experiments.foreign_inputs.input import (
    REFUSED,
    Give,
    Input,
    answered,
    dead_letters,
    dropped_duplicates,
    ended_as_they_must,
    events_or_dead_letters,
    ghosts_seen,
    refused_or_dead_letters,
    refused_privileges,
)
from shop_lab.experiments.foreign_inputs.records import Fault
from shop_lab.experiments.foreign_inputs.sending import (
    ORDERS,
    ToBatch,
    compressed,
    ghost,
    recorded,
    repeated,
)
from shop_lab.experiments.foreign_inputs.silence import SilentCrowd


def all_inputs(crowd: SilentCrowd) -> list[Input]:
    """Every input. `crowd` keeps the silent connections. Call its `leave` at the end."""
    return [*_records(), *_batches(), *_servers(crowd), *_cards(), *_ghosts(), *_requests()]


def _records() -> list[Input]:
    faults: dict[str, Fault] = {
        "NUL in the value of a header": records.nul_in_header,
        "the name of a header is not UTF-8": records.no_text_in_header_name,
        "the value of a header is not UTF-8": records.no_text_in_header_value,
        "no headers": records.no_headers,
        "an attribute is missing": records.missing_attribute,
        "an attribute is odd": records.odd_attribute,
        "the source does not own the topic": records.wrong_source,
        "the key is not the subject": records.key_is_not_subject,
        "key and value are random bytes": records.random_bytes,
        "no value": records.no_value,
        "the type is unknown": records.unknown_type,
        "data {}": records.data_is({}),
        "data null": records.data_is(None),
        "data []": records.data_is([]),
        "data of wrong types": records.wrong_types,
    }
    of_orders: dict[str, Fault] = {
        "huge numbers": records.huge_numbers,
        "NUL in text": records.order_with("customer_id", "a\0b"),
        "a lone surrogate in text": records.order_with("payment_token", "\ud800"),
    }
    large = records.order_with("customer_id", "c" * records.LARGE_VALUE)
    return [
        *(_letter(name, recorded(fault)) for name, fault in faults.items()),
        *(_letter(name, recorded(fault, ORDERS)) for name, fault in of_orders.items()),
        _letter("a value of 900 kB", recorded(large, ORDERS), every=15.0),
    ]


def _letter(name: str, give: Give, every: float = 1.0) -> Input:
    return Input(name, 1, give, dead_letters, every=every, must_be_letter=True)


def _batches() -> list[Input]:
    codecs = {codec: codec.name.lower() for codec in Codec if codec is not Codec.NONE}
    refused: dict[str, ToBatch] = {
        "a batch with a wrong checksum": records.wrong_checksum,
        "a batch whose records are random bytes": records.no_records,
        "a batch that is not compressed as it says": records.not_compressed,
    }
    inflating = recorded(
        records.unknown_type, ORDERS, to_batch=lambda record, _: records.inflating_batch(record)
    )
    return [
        *(
            _letter(f"a foreign record in {name}", recorded(records.unknown_type, to_batch=compressed(codec)))
            for codec, name in codecs.items()
        ),
        *(
            Input(f"an event sent again in {name}", 1, repeated(codec), dropped_duplicates, every=4.0)
            for codec, name in codecs.items()
        ),
        Input("an event sent again", 1, repeated(Codec.NONE), dropped_duplicates),
        *(
            Input(f"orders in {codec}", 1, servers.compress_topic(codec), answered(servers.APPLIED), 60.0, at)
            for at, codec in zip((6.0, 21.0, 36.0, 51.0), servers.CODECS, strict=True)
        ),
        _letter("a batch that inflates to 64 MB", inflating, every=300.0),
        *(
            Input(name, 1, recorded(records.unknown_type, ORDERS, to_batch=build), refused_or_dead_letters)
            for name, build in refused.items()
        ),
    ]


def _servers(crowd: SilentCrowd) -> list[Input]:
    ended = answered(silences.TIMED_OUT, silences.HUNG_UP)
    return [
        Input(
            "a topic takes only small batches",
            2,
            servers.limit_topic,
            answered(REFUSED),
            every=600.0,
            first=44.0,
        ),
        Input("50 half requests to each service", 3, crowd.give, ended),
        Input(
            "idle backends frozen for 20 s",
            3,
            servers.freeze,
            answered(servers.RECONNECTED),
            every=300.0,
            first=10.0,
        ),
        Input(
            "a privilege is missing for 10 s", 4, servers.revoke, refused_privileges, every=300.0, first=32.0
        ),
        Input(
            "a table locked for 5 s", 4, servers.hold_lock, answered(servers.WAITED), every=300.0, first=56.0
        ),
        Input("one more column", 4, servers.add_column, answered(servers.APPLIED), every=300.0, first=63.0),
    ]


def _cards() -> list[Input]:
    ends = {
        "tok_flaky": "CONFIRMED",
        "tok_slow": "CONFIRMED",
        "tok_declined": "REJECTED",
        "tok_unheard_of": "REJECTED",
        "t" * 200: "REJECTED",
    }
    return [
        Input(f"a card {token[:16]}", 5, requests.pays_with(token, end), ended_as_they_must)
        for token, end in ends.items()
    ]


def _ghosts() -> list[Input]:
    return [
        Input("an order that orders does not have", 8, ghost, ghosts_seen),
        Input(
            "a correlation id of 2,000,000 characters",
            2,
            recorded(records.long_correlation, ORDERS, to_batch=compressed(Codec.GZIP)),
            events_or_dead_letters,
            every=30.0,
        ),
    ]


def _requests() -> list[Input]:
    wrong_text = {
        "NUL in a token": requests.NUL_TOKEN,
        "a lone surrogate in a token": requests.SURROGATE_TOKEN,
        "NUL in a customer": requests.NUL_CUSTOMER,
        "a lone surrogate in a SKU": requests.SURROGATE_SKU,
        "62 kB of wrong lines": requests.MANY_WRONG_LINES,
    }
    sought = requests.to_each(requests.NUL_KEY_SOUGHT, 200, 422)
    nothing_found = (200, 404, 422)
    redriven = {
        "NUL in a key that is redriven": requests.NUL_KEY_REDRIVEN,
        "a lone surrogate in a key that is redriven": requests.SURROGATE_KEY_REDRIVEN,
    }
    return [
        *(
            Input(name, 7, requests.to_orders(request, 422), answered("422"))
            for name, request in wrong_text.items()
        ),
        Input(
            "a body of 100 kB", 7, requests.to_orders(requests.LARGE_BODY, 413, 422), answered("413", "422")
        ),
        Input("deep JSON", 7, requests.to_orders(requests.DEEP_JSON, 400, 422), answered("400", "422")),
        Input("NUL in a key that is sought", 7, sought, answered("200", "422")),
        Input(
            "an unreadable User-Agent", 7, requests.to_each(requests.UNREADABLE_AGENT, 200), answered("200")
        ),
        *(
            Input(name, 7, requests.to_each(request, *nothing_found), answered(*map(str, nothing_found)))
            for name, request in redriven.items()
        ),
        Input("a key that another caller used", 7, requests.reuse_key, answered("202")),
    ]
