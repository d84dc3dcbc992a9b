"""The pages are judged everywhere; they are executed, which takes minutes, only by `make test-tutorials`."""

import os

collect_ignore = [] if os.environ.get("SHOP_TUTORIALS") == "1" else ["running"]
