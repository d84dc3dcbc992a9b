"""HTTP: what a service's API needs besides its routes.

Errors are problem details (RFC 9457): a service maps its domain errors to `ProblemType`s, and `problem_answers` names
them in its OpenAPI document. `IdempotencyKey`, `replay`
and `remember` let a client repeat a POST. `PageCursors` writes the position of a listing's next page. `LoadShedding`
refuses new work with 429 while too much is waiting. `RetryRoute` is the class of every route that uses the database.
Every service also has probes and the admin API of dead letters.

Models check requests: a body is a `RequestBody`, and text in it is `Plain`.

`Db` is the database of an endpoint, as a FastAPI dependency.
"""

from chassis.web.body import RequestBody
from chassis.web.context import Db, ServiceContext, context_of
from chassis.web.idempotency import IdempotencyKey, key_of_caller, remember, replay
from chassis.web.load_shedding import LoadShedding
from chassis.web.pages import PageCursor, PageCursors, PositionText
from chassis.web.problems import Problem, ProblemType, problem_answers
from chassis.web.retry_route import RetryRoute
from chassis.web.text import Plain, PlainSecret, Storable

__all__ = [
    "Db",
    "IdempotencyKey",
    "LoadShedding",
    "PageCursor",
    "PageCursors",
    "Plain",
    "PlainSecret",
    "PositionText",
    "Problem",
    "ProblemType",
    "RequestBody",
    "RetryRoute",
    "ServiceContext",
    "Storable",
    "context_of",
    "key_of_caller",
    "problem_answers",
    "remember",
    "replay",
]
