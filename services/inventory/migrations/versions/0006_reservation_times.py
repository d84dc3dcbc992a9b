"""Two times of a reservation in the place of one: when stock was decided, and when the reservation ended.

`updated_at` was overwritten at the end, so the time of the decision was lost. This is the first half of the split
(expand): the release before reads and writes `updated_at` alone, and a trigger gives each release what the other one
wrote. The second half drops the column and the trigger.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

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
    op.add_column("reservations", sa.Column("decided_at", sa.DateTime(timezone=True)))
    op.add_column("reservations", sa.Column("ended_at", sa.DateTime(timezone=True)))
    op.execute(
        """
        UPDATE reservations
        SET decided_at = CASE WHEN state IN ('RESERVED', 'REJECTED') THEN updated_at END,
            ended_at = CASE WHEN state NOT IN ('RESERVED', 'REJECTED') THEN updated_at END
        """
    )
    op.execute(COPY)
    op.execute(
        """
        CREATE TRIGGER copy_times BEFORE INSERT OR UPDATE ON reservations
        FOR EACH ROW EXECUTE FUNCTION copy_reservation_times()
        """
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER copy_times ON reservations")
    op.execute("DROP FUNCTION copy_reservation_times")
    op.drop_column("reservations", "ended_at")
    op.drop_column("reservations", "decided_at")
