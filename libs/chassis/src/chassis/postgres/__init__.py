"""PostgreSQL: connections, statements, deadlines, migrations. This room does not know events.

`Connection` runs SQLAlchemy's statements with asyncpg. `Statements` reads the `.sql` files of a package.
"""

from chassis.postgres.connection import Connection, Driver, Row, connect, with_deadline
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
    "is_cut_off",
    "with_deadline",
]
