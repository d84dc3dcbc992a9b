"""Says where an order stands, what it waits for, where that lies, and which command cures it.

`ask` reads the facts (`facts.py`, `reading.py`, `lag.py`, `parts.py`), and `diagnosis.py` judges them without any
request.
"""

from __future__ import annotations

from shop_oracle.why.asking import ask, ask_all
from shop_oracle.why.diagnosis import Answer, Finding
from shop_oracle.why.facts import Trouble

__all__ = ["Answer", "Finding", "Trouble", "ask", "ask_all"]
