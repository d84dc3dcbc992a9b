"""Python runs this module when a process starts whose PYTHONPATH has this folder."""

import os

from tests.crash_points.injection import install_from_environment

install_from_environment(os.environ)
