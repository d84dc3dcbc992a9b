"""HTTP: what a service's API needs besides its routes.

Errors are problem details (RFC 9457): a service maps its domain errors to `ProblemType`s. `IdempotencyKey`, `replay`
and `remember` let a client repeat a POST. `PageCursors` writes the position of a listing's next page. `LoadShedding`
refuses new work with 429 while too much is waiting. `RetryRoute` is the class of every route that uses the database.
Every service also has probes and the admin API of dead letters.

`Db` is the database of an endpoint, as a FastAPI dependency.
"""

from chassis.web.context import Db, ServiceContext, context_of
from chassis.web.idempotency import IdempotencyKey, remember, replay
from chassis.web.load_shedding import LoadShedding
from chassis.web.pages import PageCursors, PositionText
from chassis.web.problems import Problem, ProblemType
from chassis.web.retry_route import RetryRoute

__all__ = [
    "Db",
    "IdempotencyKey",
    "LoadShedding",
    "PageCursors",
    "PositionText",
    "Problem",
    "ProblemType",
    "RetryRoute",
    "ServiceContext",
    "context_of",
    "remember",
    "replay",
]
