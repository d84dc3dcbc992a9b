"""Writes docs/reference: `python -m tools.docs.reference`, in an environment with shop_contracts."""

import sys
from pathlib import Path

from shop_contracts.contracts import Contracts
from shop_stack.errors import UserError
from tools.docs.reference.pages import write

ROOT = Path(__file__).resolve().parents[3]

if __name__ == "__main__":
    try:
        write(Contracts(ROOT), ROOT / "docs" / "reference")
    except UserError as error:
        sys.exit(f"docs: {error}")
