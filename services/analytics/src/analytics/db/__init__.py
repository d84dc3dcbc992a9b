"""Tables and queries.

tables.py       the tables
facts.py        write facts: `record`, and `carry_over` from one generation to the next
generations.py  open, build, activate and cancel a generation
leftovers.py    delete the rows of a generation that no report reads
reports.py      read reports: each is one statement over totals
"""

from analytics.db.facts import (
    Carried,
    Identity,
    carry_over,
    dead_letters_not_redriven,
    record,
    record_rebuilt,
)
from analytics.db.generations import (
    Generation,
    activate,
    cancel,
    generation_numbered,
    generation_to_work_on,
    lock_building_generation,
    newest_generations,
    open_generation,
    rebuild_lock,
    save_progress,
)
from analytics.db.leftovers import LEFTOVERS, Key, end_removal, leftover_generations, remove_leftovers
from analytics.db.reports import funnel, orders_by_state, revenue, time_to_confirm, top_products
from analytics.db.tables import FACTS, metadata, order_facts, product_facts

__all__ = [
    "FACTS",
    "LEFTOVERS",
    "Carried",
    "Generation",
    "Identity",
    "Key",
    "activate",
    "cancel",
    "carry_over",
    "dead_letters_not_redriven",
    "end_removal",
    "funnel",
    "generation_numbered",
    "generation_to_work_on",
    "leftover_generations",
    "lock_building_generation",
    "metadata",
    "newest_generations",
    "open_generation",
    "order_facts",
    "orders_by_state",
    "product_facts",
    "rebuild_lock",
    "record",
    "record_rebuilt",
    "remove_leftovers",
    "revenue",
    "save_progress",
    "time_to_confirm",
    "top_products",
]
