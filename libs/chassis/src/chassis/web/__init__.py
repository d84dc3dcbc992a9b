"""HTTP: the parts that a service's API needs in addition to its routes.

- `ProblemType`, `Problem`, `problem_answers`: errors are problem details (RFC 9457). A service maps its domain errors
  to `ProblemType`s. `problem_answers` lists them in its OpenAPI document.
- `IdempotencyKey`, `replay`, `remember`: a client may repeat a POST. `replay` claims the request's key, or returns the
  answer that `remember` stored for it.
- `PageCursors`: encodes the position of the next page of a listing as a cursor, and decodes it.
- `LoadShedding`: refuses a POST on chosen paths with 429 and `Retry-After: 1`. A service opts in. It passes the
  paths, a limit, and a function that counts the waiting work in its database: for example its PENDING orders, of all
  replicas together. The count is sampled every 0.25 s. The POST is refused while the count is at the limit. It is also
  refused while this process handles 200 of these POSTs.
  A repeated POST with its Idempotency-Key is refused as well. Requests of other methods and paths are not refused.
- `RetryRoute`: the class of every route that uses the database. It handles a request once more if a migration made a
  prepared statement invalid.
- `RequestBody`, `Plain`: pydantic models validate requests. `RequestBody` is the base of a body, and `Plain` the rule
  for text in it.
- `Db`: the database of an endpoint, as a FastAPI dependency.

Every service also has probes (`/livez`, `/readyz`, `/metrics`), and an admin API for dead letters and the outbox.
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
