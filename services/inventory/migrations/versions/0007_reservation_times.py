"""The second half of the split (contract): `updated_at` and its trigger are dropped.

Release 0.2.0 names the column in no statement, so it runs on these tables as well. 0.1.0 does not.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UNREAD = "0.2.0 reads and writes decided_at and ended_at alone; the trigger and its function served 0.1.0"
reviewed = {
    "drop-column reservations.updated_at": {"unread_after": "0.1.0", "reason": UNREAD},
    "drop-trigger reservations.copy_times": {"unread_after": "0.1.0", "reason": UNREAD},
    "drop-function copy_reservation_times()": {"unread_after": "0.1.0", "reason": UNREAD},
    "squawk:ban-drop-function": {"unread_after": "0.1.0", "reason": UNREAD},
}
"""What `shop contracts migrations` finds here, and why the release before runs nevertheless."""

COPY = """
    CREATE FUNCTION copy_reservation_times() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.updated_at IS NULL OR TG_OP = 'UPDATE' AND NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at THEN
            NEW.updated_at := greatest(NEW.decided_at, NEW.ended_at);
        ELSIF NEW.state IN ('RESERVED', 'REJECTED') THEN
            NEW.decided_at := NEW.updated_at;
        ELSE
            NEW.ended_at := NEW.updated_at;
        END IF;
        RETURN NEW;
    END
    $$
"""


def upgrade() -> None:
    op.execute("DROP TRIGGER copy_times ON reservations")
    op.execute("DROP FUNCTION copy_reservation_times")
    op.drop_column("reservations", "updated_at")


def downgrade() -> None:
    op.add_column("reservations", sa.Column("updated_at", sa.DateTime(timezone=True)))
    op.execute("UPDATE reservations SET updated_at = greatest(decided_at, ended_at)")
    op.alter_column("reservations", "updated_at", nullable=False)
    op.execute(COPY)
    op.execute(
        """
        CREATE TRIGGER copy_times BEFORE INSERT OR UPDATE ON reservations
        FOR EACH ROW EXECUTE FUNCTION copy_reservation_times()
        """
    )
