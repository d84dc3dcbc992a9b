"""PostgreSQL: connections, statements, deadlines, migrations. This package does not know events.

- `Connection` runs SQLAlchemy's statements with asyncpg, and returns `Row`s. `Driver` is asyncpg's own connection.
- `connect` opens a `Driver` with deadlines. `raising_database_silent` raises `DatabaseSilent` when one of them passes.
- `Password` reads the password of a login. It may change while the process runs.
- `Pool` has the connections of one `Database`. A process has two: for requests, and for background work.
  `breaks_connection` says after which errors a connection is not used again.
- `Statements` reads the `.sql` files of a Python package.
- `migrations` has the chassis' own tables, and the environment of Alembic. `deadlines` has the limit of each wait.
"""

from chassis.postgres.connection import (
    Connection,
    Driver,
    Password,
    Row,
    connect,
    raising_database_silent,
)
from chassis.postgres.deadlines import CONNECT_SECONDS, STATEMENT_SECONDS
from chassis.postgres.pool import Pool, breaks_connection
from chassis.postgres.statements import Statements

__all__ = [
    "CONNECT_SECONDS",
    "STATEMENT_SECONDS",
    "Connection",
    "Driver",
    "Password",
    "Pool",
    "Row",
    "Statements",
    "breaks_connection",
    "connect",
    "raising_database_silent",
]
