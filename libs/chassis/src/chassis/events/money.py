"""Money: amounts in minor units of a currency. Codes and minor units are those of ISO 4217.

The list comes from the package `iso4217`, which publishes a release for each amendment of the standard. Entries of
the list without minor units (gold, test codes) are not currencies here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

import iso4217
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

CURRENCIES: Mapping[str, int] = MappingProxyType(
    {currency.code: currency.exponent for currency in iso4217.Currency if currency.exponent is not None}
)
"""Active code → the number of digits of its minor units."""

WITHDRAWN: Mapping[str, int] = MappingProxyType({})
"""The same for codes that left the list since the first release of the shop.

Orders and events in such a currency exist and stay readable. No request may name one any more.
"""

MAX_AMOUNT_MINOR = 10**18
"""The largest amount of an event. The columns are bigint, which can hold nine times as much."""


def check_active(code: str) -> str:
    """Return the code. Raises PydanticCustomError `unknown_currency` unless the code is active."""
    if code not in CURRENCIES:
        raise PydanticCustomError("unknown_currency", "Not an active currency code of ISO 4217")
    return code


def _known(code: str) -> str:
    return code if code in WITHDRAWN else check_active(code)


_SCHEMA = WithJsonSchema(
    {"type": "string", "pattern": "^[A-Z]{3}$", "description": "Code of ISO 4217", "examples": ["EUR"]}
)
Currency = Annotated[str, AfterValidator(check_active), _SCHEMA]
"""A currency that a request names."""


def format_amount(amount_minor: int, currency: str) -> str:
    """An amount for people: `12.99 EUR`, `1299 JPY`, `1.299 KWD`. With an unknown code it is the minor units."""
    digits = CURRENCIES.get(currency, WITHDRAWN.get(currency, 0))
    if digits == 0:
        return f"{amount_minor} {currency}"
    whole, minor = divmod(amount_minor, 10**digits)
    return f"{whole}.{minor:0{digits}d} {currency}"


class Money(BaseModel):
    """An amount in minor units (cents) of an ISO 4217 currency."""

    model_config = ConfigDict(frozen=True, strict=True)

    amount_minor: int = Field(ge=0, le=MAX_AMOUNT_MINOR)
    currency: Annotated[str, AfterValidator(_known), _SCHEMA]

    @classmethod
    def of_row(cls, amount_minor: int, currency: str) -> "Money":
        """Money from a table of the service itself. It is returned even if it breaks a rule of today.

        Reading a row must not fail. The table may have rows that were written before this check existed, or with a
        code that has left the list since.
        """
        try:
            return cls(amount_minor=amount_minor, currency=currency)
        except ValidationError:
            return cls.model_construct(amount_minor=amount_minor, currency=currency)
