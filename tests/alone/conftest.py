"""Each service is installed and tested alone only by `make test-alone`, because that takes minutes."""

import os

collect_ignore = [] if os.environ.get("SHOP_ALONE") == "1" else ["test_alone.py"]
