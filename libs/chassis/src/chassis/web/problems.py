"""Problem details (RFC 9457): each kind of error has a `type` of its own. `detail` names a remedy if there is one."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

RETRY_LATER = {"Retry-After": "1"}


class ProblemType(NamedTuple):
    """A kind of problem: HTTP status, slug of its `type`, title. `headers` go with every answer of this kind."""

    status: int
    slug: str
    title: str
    headers: Mapping[str, str] | None = None


class Problem(HTTPException):
    """Raise it in an endpoint, or in a function that it calls, to answer with problem details."""

    def __init__(self, status: int, slug: str, title: str, detail: str = "") -> None:
        super().__init__(status, detail)
        self.type = ProblemType(status, slug, title)


DATABASE_UNAVAILABLE = ProblemType(503, "database-unavailable", "The database is unavailable", RETRY_LATER)
DEPENDENCY_UNAVAILABLE = ProblemType(
    503, "dependency-unavailable", "A dependency is unavailable", RETRY_LATER
)
OVERLOADED = ProblemType(429, "overloaded", "Too much work is waiting", RETRY_LATER)
UNEXPECTED = ProblemType(500, "internal-error", "An unexpected error; it has been logged")
BODY_TOO_LARGE = ProblemType(413, "body-too-large", "The body is too large", {"Connection": "close"})
TOO_SLOW = ProblemType(408, "request-timeout", "The request did not arrive in time", {"Connection": "close"})
HEADERS_TOO_LARGE = ProblemType(
    431, "headers-too-large", "The headers are too large", {"Connection": "close"}
)
MALFORMED_JSON = ProblemType(400, "malformed-json", "The request's body is not JSON")
INVALID = ProblemType(422, "invalid-request", "The request does not fit the API's description")


class ProblemView(BaseModel):
    """RFC 9457 problem details; further members depend on the type."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:shopfloor:problem:unknown-sku"])
    title: str
    status: int
    detail: str = ""


def problem_answers(**slugs: str) -> dict[int | str, dict[str, Any]]:
    """The problem answers of an operation, for its OpenAPI document: `problem_answers(_404="unknown-order")`.

    A keyword is the HTTP status after an underscore. Its value names the slugs of the problems with this status.
    """
    content = {"application/problem+json": {"schema": ProblemView.model_json_schema()}}
    return {
        int(status.removeprefix("_")): {"description": described, "content": content}
        for status, described in slugs.items()
    }


def problem_response(kind: ProblemType, /, **members: Any) -> Response:
    """The answer for a problem, as application/problem+json. `members` are further members, such as `detail`."""
    body = {
        **members,
        "type": f"urn:shopfloor:problem:{kind.slug}",
        "title": kind.title,
        "status": kind.status,
    }
    return Response(json.dumps(body, default=str), kind.status, kind.headers, "application/problem+json")
