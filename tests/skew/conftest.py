"""Whole runs with two releases, only by `make skew`, which takes minutes. Their logic is tested in tools/lab."""

import os

collect_ignore = [] if os.environ.get("SHOP_SKEW_TESTS") == "1" else ["running"]
