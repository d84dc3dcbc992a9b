"""The answers to errors: problem details for all of them."""

from collections.abc import Mapping
from functools import partial

import asyncpg
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from chassis.errors import DATABASE, UNAVAILABLE_ERRORS, dependency_of, is_unavailable
from chassis.observability.outages import OUTAGES
from chassis.web.audit import REFUSED
from chassis.web.body import MAX_ERRORS
from chassis.web.context import context_of
from chassis.web.problems import (
    DATABASE_UNAVAILABLE,
    DEPENDENCY_UNAVAILABLE,
    INVALID,
    MALFORMED_JSON,
    UNEXPECTED,
    Problem,
    ProblemType,
    problem_response,
)

log = structlog.get_logger()

MAX_TEXT_LENGTH = 200
"""Maximum number of characters of an error's place, and of its message."""

SLUGS = {404: "not-found", 405: "method-not-allowed", 401: "unauthorized", 403: "forbidden"}
"""Status → slug, for errors that the framework raises."""


def install_error_handlers(app: FastAPI, problems: Mapping[type[Exception], ProblemType]) -> None:
    """Answer every error of an app with problem details. `problems` maps domain errors to problem types.

    The public attributes of a domain error become members of its problem.
    """
    # Starlette logs an error that only the handler of `Exception` handles, and raises it again. An unavailable
    # dependency is not a bug, so its classes have handlers of their own.
    failures: tuple[type[Exception], ...] = (*UNAVAILABLE_ERRORS, asyncpg.PostgresError, Exception)
    for error in failures:
        app.add_exception_handler(error, _answer_failure)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    for domain_error, kind in problems.items():
        app.add_exception_handler(domain_error, partial(_answer_domain_error, kind))


async def _answer_domain_error(kind: ProblemType, request: Request, error: Exception) -> Response:
    _note_refusal(request, kind)
    return problem_response(kind, **vars(error) | {"detail": str(error)})


async def _answer_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return problem_response(MALFORMED_JSON, detail=str(faults[0].get("ctx", {}).get("error", "")))
    # The answer does not contain the values, because one may be a card token.
    errors = [
        {"at": _short(".".join(map(str, fault["loc"]))), "message": _short(fault["msg"])}
        for fault in faults[:MAX_ERRORS]
    ]
    detail = "; ".join(f"{fault['at']}: {fault['message']}" for fault in errors)
    return problem_response(INVALID, detail=detail, errors=errors, error_count=len(faults))


def _short(text: str) -> str:
    """Shorten a text: a place contains names that the client chose, of any length."""
    return text if len(text) <= MAX_TEXT_LENGTH else f"{text[:MAX_TEXT_LENGTH]}…"


def _note_refusal(request: Request, kind: ProblemType) -> None:
    if kind.status in REFUSED:
        context_of(request).refusals.note(request, kind.status, kind.slug)


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, Problem):
        _note_refusal(request, error.type)
        return problem_response(error.type, detail=error.detail)
    slug = SLUGS.get(error.status_code, "http-error")
    return problem_response(ProblemType(error.status_code, slug, str(error.detail), error.headers))


async def _answer_failure(request: Request, error: Exception) -> Response:
    if is_unavailable(error):
        dependency = dependency_of(error)
        OUTAGES.failed(dependency, "requests", error)
        kind = DATABASE_UNAVAILABLE if dependency == DATABASE else DEPENDENCY_UNAVAILABLE
        detail = (
            "The request had no effect, or its effect is not known: repeat it, with the same Idempotency-Key."
        )
        return problem_response(kind, detail=detail, dependency=dependency)
    log.error("request.failed", path=request.url.path, exc_info=error)
    return problem_response(UNEXPECTED)
