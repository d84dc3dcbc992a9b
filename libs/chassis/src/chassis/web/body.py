"""The model of a request's body. It refuses unknown members, and limits the cost of wrong bodies."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import PydanticCustomError

MAX_ERRORS = 20
"""Maximum number of errors that an answer lists."""


class RequestBody(BaseModel):
    """A body, or an object in it. More than `MAX_ERRORS` errors are reported as one error, which has their number.

    Most of the cost of a body with thousands of errors is to describe them. Give each list a `max_length`: validation
    stops there.
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
