"""The pages are judged everywhere; they are followed on a running shop, which takes minutes, by `make test-labs`."""

import os

collect_ignore = [] if os.environ.get("SHOP_LABS") == "1" else ["running"]
