"""The model of a request's body: it takes no unknown member, and a bad body costs little."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import PydanticCustomError

MAX_ERRORS = 20
"""How many errors an answer lists."""


class RequestBody(BaseModel):
    """A body, or an object in it. A body with more than `MAX_ERRORS` errors is one error, which says how many.

    To make the errors and not to find them is the cost of a body with thousands. Give each list a `max_length`:
    validation ends there.
    """

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _few_errors(cls, data: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return validate(data)
        except ValidationError as error:
            if error.error_count() <= MAX_ERRORS:
                raise
            count = error.error_count()
        raise PydanticCustomError("too_many_errors", "{count} values do not fit", {"count": count})
