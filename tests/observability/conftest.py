"""Rules are tested with promtool and a real Prometheus only by `make check-rules`, which builds them."""

import os

collect_ignore = [] if os.environ.get("SHOP_RULES_TESTS") == "1" else ["running"]
