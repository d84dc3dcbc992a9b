"""The tables."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

# `positions` maps "topic/partition" to the next offset to read.
projection_state = Table(
    "projection_state",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("activated_at", DateTime(timezone=True)),
    Column("positions", JSONB, nullable=False, server_default=text("'{}'")),
    Column("messages_read", BigInteger, nullable=False, server_default=text("0")),
    Column("messages_total", BigInteger),
    Column("messages_skipped", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("state IN ('BUILDING', 'ACTIVE', 'RETIRED', 'REMOVED', 'CANCELLED')"),
    Index(
        "projection_state_one_of_each",
        "state",
        unique=True,
        postgresql_where=text("state IN ('ACTIVE', 'BUILDING')"),
    ),
)

order_facts = Table(
    "order_facts",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("order_id", Uuid, primary_key=True),
    Column("order_version", Integer),
    Column("order_state", Text),
    Column("placed_at", DateTime(timezone=True)),
    Column("confirmed_at", DateTime(timezone=True)),
    Column("total_minor", BigInteger),
    Column("currency", Text),
    Column("lines", JSONB),
    Column("reservation_version", Integer),
    Column("reservation_state", Text),
    Column("reserved_at", DateTime(timezone=True)),
    Column("payment_version", Integer),
    Column("payment_state", Text),
    Column("captured_at", DateTime(timezone=True)),
    Column("refunded_minor", BigInteger),
    Column("notified_at", DateTime(timezone=True)),
)

product_facts = Table(
    "product_facts",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("sku", Text, primary_key=True),
    Column("version", Integer),
    Column("name", Text),
)

# Triggers on order_facts count these totals (migration 0005). There are 16 slots. A transaction counts in a free slot.
# If no slot is free, it waits. A report sums over the slots. `order_state` and `currency` are '' if they are not known.
order_totals = Table(
    "order_totals",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("order_state", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("step", SmallInteger, primary_key=True, autoincrement=False),
    Column("slot", SmallInteger, primary_key=True, autoincrement=False),
    Column("orders", BigInteger, nullable=False),
    Column("total_minor", Numeric, nullable=False),
    Column("refunds", BigInteger, nullable=False),
    Column("refunded_minor", Numeric, nullable=False),
)

# Totals of confirmed orders.
product_totals = Table(
    "product_totals",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("sku", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("slot", SmallInteger, primary_key=True, autoincrement=False),
    Column("quantity", Numeric, nullable=False),
    Column("revenue_minor", Numeric, nullable=False),
)

# The number of orders by their time from placing to confirmation. A bucket begins at `bucket` * 2^`bits` microseconds
# and ends where the next one begins. The four levels (bits 24, 16, 8, 0) are a tree: a bucket of one level has 256
# buckets in the next level. The top level has a bucket for each 16.8 s that occurs.
wait_totals = Table(
    "wait_totals",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("bits", SmallInteger, primary_key=True, autoincrement=False),
    Column("bucket", BigInteger, primary_key=True, autoincrement=False),
    Column("slot", SmallInteger, primary_key=True, autoincrement=False),
    Column("orders", BigInteger, nullable=False),
)

FACTS = (order_facts, product_facts)
TOTALS = (order_totals, product_totals, wait_totals)
