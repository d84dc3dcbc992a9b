"""PostgreSQL: connections, statements, migrations. This room knows nothing of events.

`Connection` takes SQLAlchemy's statements and sends them by asyncpg. `Statements` reads the `.sql` files that lie
beside a package's code.
"""

from chassis.postgres.connection import CONNECT_SECONDS, Connection, Driver, Row, create_pool
from chassis.postgres.statements import Statements

__all__ = ["CONNECT_SECONDS", "Connection", "Driver", "Row", "Statements", "create_pool"]
