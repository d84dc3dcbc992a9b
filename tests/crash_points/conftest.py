"""Planted faults are struck only by `make crash-points`, because each needs a shop of its own."""

import os

collect_ignore = [] if os.environ.get("SHOP_CRASH_POINT_TESTS") == "1" else ["running"]
