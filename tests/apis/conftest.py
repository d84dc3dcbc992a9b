"""oasdiff compares real documents only by `make check-apis`, which builds it. The rest is tested in tools/contracts."""

import os

collect_ignore = [] if os.environ.get("SHOP_API_TESTS") == "1" else ["running"]
