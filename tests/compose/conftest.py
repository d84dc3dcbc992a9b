"""The files are judged everywhere; a whole shop in containers is started only when somebody says so."""

import os

# `make test-compose` sets it: it takes minutes, gigabytes, and an engine.
collect_ignore = [] if os.environ.get("SHOP_COMPOSE_TESTS") == "1" else ["running"]
