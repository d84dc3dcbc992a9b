"""Python runs this module when a process starts whose PYTHONPATH has this folder."""

import os
import traceback

from tests.crash_points.injection import install_from_environment

try:
    install_from_environment(os.environ)
except Exception:
    # Python would go on, and run the service without its points.
    traceback.print_exc()
    os._exit(70)
