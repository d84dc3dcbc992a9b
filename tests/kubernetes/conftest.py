"""Manifests are judged everywhere; drills change a running cluster, so they run only when somebody says so."""

import os

# `make test-k8s` sets it. KUBECONFIG alone is no consent to kill pods.
collect_ignore = [] if os.environ.get("SHOP_DRILLS") == "1" else ["drills"]
