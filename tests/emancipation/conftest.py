"""A move under load, and one that is killed at each step, run only by `make test-emancipation`, which takes minutes."""

import os

collect_ignore = [] if os.environ.get("SHOP_EMANCIPATION_TESTS") == "1" else ["running"]
