"""Products with their stock, and the reservations of orders."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "products",
        sa.Column("sku", sa.Text(collation="C"), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("price_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("initial", sa.BigInteger, nullable=False),
        sa.Column("replenished", sa.BigInteger, nullable=False),
        sa.Column("on_hand", sa.BigInteger, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False),
        sa.Column("sold", sa.BigInteger, nullable=False),
        sa.CheckConstraint("price_minor > 0", name="price_is_positive"),
        sa.CheckConstraint(
            "initial >= 0 AND replenished >= 0 AND on_hand >= 0 AND reserved >= 0 AND sold >= 0",
            name="stock_is_never_negative",
        ),
        sa.CheckConstraint("reserved <= on_hand", name="reserved_is_on_hand"),
        sa.CheckConstraint("initial + replenished = on_hand + sold", name="stock_is_conserved"),
        # Every batch updates popular SKUs. With free space in the page, these updates do not change the index.
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "reservations",
        sa.Column("order_id", UUID, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("lines", JSONB, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('RESERVED', 'REJECTED', 'COMMITTED', 'RELEASED', 'TOMBSTONE')", name="state_is_known"
        ),
        # Each reservation is updated once or twice, soon after its insert. Free space in the page is left for that.
        postgresql_with={"fillfactor": 70},
    )


def downgrade() -> None:
    op.drop_table("reservations")
    op.drop_table("products")
