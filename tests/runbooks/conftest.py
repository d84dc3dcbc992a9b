"""The pages are read everywhere; they are followed on a running shop only when it is asked for."""

import os

# `make test-runbooks` sets it: the drills take minutes.
collect_ignore = [] if os.environ.get("SHOP_RUNBOOK_DRILLS") == "1" else ["drills"]
