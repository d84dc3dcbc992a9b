"""Money: which currencies there are, how amounts are written, and how large they may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from chassis.events import CURRENCIES, MAX_AMOUNT_MINOR, Currency, Money, format_amount
from chassis.events.money import WITHDRAWN

FIRST_RELEASE = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF"
    " CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD"
    " HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD"
    " MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN"
    " PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD"
    " TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAD XAF XCD XCG XOF XPF YER ZAR ZMW ZWG"
)
"""The active codes of the shop's first release."""


def test_a_currency_in_which_orders_may_exist_stays_readable() -> None:
    """An update of the list that withdraws a code fails here: write the code and its digits into WITHDRAWN."""
    assert set(FIRST_RELEASE.split()) - CURRENCIES.keys() - WITHDRAWN.keys() == set()
    assert WITHDRAWN.keys().isdisjoint(CURRENCIES)


@pytest.mark.parametrize("code", ["ZZZ", "XXX", "XTS", "XAU", "eur", "EURO", "", "E\x00R", "DEM"])
def test_other_codes_are_no_currency(code: str) -> None:
    with pytest.raises(ValidationError):
        Money(amount_minor=1, currency=code)
    with pytest.raises(ValidationError):
        TypeAdapter(Currency).validate_python(code)


@pytest.mark.parametrize("amount_minor", [-1, MAX_AMOUNT_MINOR + 1, 2**63, 10**400])
def test_an_amount_that_no_column_has_room_for_is_refused(amount_minor: int) -> None:
    with pytest.raises(ValidationError):
        Money(amount_minor=amount_minor, currency="EUR")


def test_the_largest_amount_fits_into_a_column_nine_times() -> None:
    assert 9 * MAX_AMOUNT_MINOR < 2**63
    assert Money(amount_minor=MAX_AMOUNT_MINOR, currency="EUR").amount_minor == MAX_AMOUNT_MINOR


def test_money_of_a_row_is_taken_as_it_is() -> None:
    assert Money.of_row(1, "DEM").model_dump() == {"amount_minor": 1, "currency": "DEM"}


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1299, "EUR", "12.99 EUR"),
        (5, "USD", "0.05 USD"),
        (1299, "JPY", "1299 JPY"),
        (100, "GBP", "1.00 GBP"),
        (1299, "KWD", "1.299 KWD"),
        (1299, "CLF", "0.1299 CLF"),
        (1299, "UGX", "1299 UGX"),
        (1299, "ZZZ", "1299 ZZZ"),
        (MAX_AMOUNT_MINOR, "EUR", "10000000000000000.00 EUR"),
    ],
)
def test_amounts_are_written_as_people_write_them(amount: int, currency: str, text: str) -> None:
    assert format_amount(amount, currency) == text


@given(st.integers(0, MAX_AMOUNT_MINOR), st.sampled_from(sorted(CURRENCIES)))
def test_no_digit_of_an_amount_is_lost(amount: int, currency: str) -> None:
    number, _, code = format_amount(amount, currency).partition(" ")
    assert (int(number.replace(".", "")), code) == (amount, currency)
    assert len(number.partition(".")[2]) == CURRENCIES[currency]
