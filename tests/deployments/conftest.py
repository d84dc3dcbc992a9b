"""Every service is deployed under load only by `make test-deployments`, which takes minutes. One is in tests/saga."""

import os

collect_ignore = [] if os.environ.get("SHOP_DEPLOYMENT_TESTS") == "1" else ["running"]
