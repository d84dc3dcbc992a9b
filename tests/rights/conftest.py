"""The rights that a shop uses are recorded only by `make test-rights`, because a shop of its own takes a minute."""

import os

collect_ignore = [] if os.environ.get("SHOP_RIGHTS_TESTS") == "1" else ["running"]
