"""The filter with which an operator selects rows: by id, key or topic."""

from typing import Annotated

from pydantic import Field

from chassis.events.envelope import MAX_TEXT_LENGTH
from chassis.web.body import RequestBody
from chassis.web.text import Storable

Key = Annotated[str, Field(max_length=MAX_TEXT_LENGTH), Storable]
Topic = Annotated[str, Field(max_length=249), Storable]


class Selected(RequestBody):
    """A filter: one row by its id, or all of a key, a topic or both. A body without any of them is refused.

    The admin API of dead letters does not accept a topic alone."""

    id: int | None = None
    topic: Topic | None = None
    key: Key | None = None
