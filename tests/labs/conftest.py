"""The pages are judged everywhere; they are followed on a running shop, which takes minutes.

`make test-labs` follows those on the shop of this clone, `make test-deploy-labs` those that have a clone of their own.
"""

import os

FOLDERS = {"running": "SHOP_LABS", "deploys": "SHOP_DEPLOY_LABS"}
"""Folder → the variable with which its tests are collected."""

collect_ignore = [folder for folder, variable in FOLDERS.items() if os.environ.get(variable) != "1"]
