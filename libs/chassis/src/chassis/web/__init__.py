"""HTTP: the parts that a service's API needs in addition to its routes.

- `ProblemType`, `Problem`, `problem_answers`: errors are problem details (RFC 9457). A service maps its domain errors
  to `ProblemType`s. `problem_answers` lists them in its OpenAPI document.
- `IdempotencyKey`, `claim_or_replay`, `remember`: a client may repeat a POST. `claim_or_replay` inserts the request's
  key, or returns the answer that `remember` stored for it. A second request with the same key waits until the
  transaction of the first one has ended.
- `CursorCodec`: encodes the position of the next page of a listing as a cursor, and decodes it. `CursorParameter` is
  the query parameter with a cursor, and `PositionText` a text in a position.
- `LoadShedding`: refuses a POST on chosen paths with 429 and `Retry-After: 1`. See below.
- `RequestBody`, `Plain`: pydantic models validate requests. `RequestBody` is the base of a body, and `Plain`,
  `PlainSecret` and `Storable` are rules for text in it.
- `GuardedRoute`: the class of every route of the APIs. It checks the caller's token and role. A route declares its
  roles with the names of `chassis.web.access`: `allow`, `Role`, `PUBLIC`. `CurrentCaller` gives an endpoint its caller.
  `GuardedRoute` also handles a request once more if a migration made a prepared statement invalid.
- `Db`: the database of an endpoint, as a FastAPI dependency. `context_of` gives all parts of the service, as a
  `ServiceContext`.

Every service also has probes (`/livez`, `/readyz`, `/metrics`), its release (`/version`), and an admin API for dead
letters and the outbox. Together they are one app (`management`), with a port of its own.

The order of the checks. A request meets the limits of the headers (408, 431), the limit of connections (503), load
shedding (429 `overloaded`), the limits of the body (408, 413), the token (401), the rate limit (429
`too-many-requests`) and the role (403). On a connection that is used again, load shedding may answer before the limit
of connections (`tuning.fast_refusals`).

Load shedding. A service opts in. It passes the exact paths (`/orders` does not include `/orders/{id}/cancel`), a limit,
and a function that counts the waiting work in its database: for example its PENDING orders, of all replicas together.
A POST on one of the paths is refused while the last count is at the limit or above. A repeated POST with its
Idempotency-Key is refused as well. Requests of other methods and paths are not refused.

- The work is counted at most every 0.25 s, and only while such POSTs arrive or the limit is reached. Between two
  counts, or after a pause, more POSTs may be accepted than the limit allows.
- Therefore a POST is also refused while this process handles 200 of these POSTs. It handles a POST from the moment when
  the whole body has arrived until the answer begins. The number is checked earlier, when the headers have arrived. So
  POSTs whose bodies arrive at the same time may be more than 200.
- While the database is unavailable, the work cannot be counted, so the last count is used. If it was at the limit, a
  POST is answered 429 (overloaded), and otherwise 503 (the database is unavailable).

The rate limit holds for every route that needs a token. A caller may send HTTP_CALLER_BURST (500) requests at once, and
then HTTP_CALLER_RATE (50) a second, to each process. A request beyond that is refused with 429 `too-many-requests`, and
`Retry-After` says when the next one is answered. Requests of other callers are answered meanwhile. Operators have no
limit.

A separate protection holds for every service: while HTTP_MAX_CONNECTIONS (2,000) connections are open, the process
answers 503, except where load shedding has answered 429 before. The management port has connections and a limit of its
own (HTTP_MANAGEMENT_MAX_CONNECTIONS, 100), and no load shedding.
"""

from chassis.web.body import RequestBody
from chassis.web.context import Db, ServiceContext, context_of
from chassis.web.guarded_route import GuardedRoute
from chassis.web.idempotency import IdempotencyKey, claim_or_replay, remember
from chassis.web.load_shedding import LoadShedding
from chassis.web.pages import CursorCodec, CursorParameter, PositionText
from chassis.web.problems import Problem, ProblemType, problem_answers
from chassis.web.text import Plain, PlainSecret, Storable

__all__ = [
    "CursorCodec",
    "CursorParameter",
    "Db",
    "GuardedRoute",
    "IdempotencyKey",
    "LoadShedding",
    "Plain",
    "PlainSecret",
    "PositionText",
    "Problem",
    "ProblemType",
    "RequestBody",
    "ServiceContext",
    "Storable",
    "claim_or_replay",
    "context_of",
    "problem_answers",
    "remember",
]
