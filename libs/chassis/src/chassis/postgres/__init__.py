"""PostgreSQL: connections, statements, deadlines, migrations. This room knows nothing of events.

`Connection` takes SQLAlchemy's statements and sends them by asyncpg. `Statements` reads the `.sql` files that lie
beside a package's code.
"""

from chassis.postgres.connection import Connection, Driver, Row, connect, in_time
from chassis.postgres.deadlines import CONNECT_SECONDS, STATEMENT_SECONDS
from chassis.postgres.pool import Pool, is_cut_off
from chassis.postgres.statements import Statements

__all__ = [
    "CONNECT_SECONDS",
    "STATEMENT_SECONDS",
    "Connection",
    "Driver",
    "Pool",
    "Row",
    "Statements",
    "connect",
    "in_time",
    "is_cut_off",
]
