"""Settings of Sphinx for the site of the documents. `build.py` says how it is built."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

project = "Shopfloor"
html_title = "Shopfloor"
extensions = ["myst_parser", "navigation", "diagrams", "repository_links"]

# The pages lie where readers of the repository look for them, so the repository is the folder of the pages.
root_doc = "README"
include_patterns = [
    "*.md",
    "docs/**.md",
    "contracts/**.md",
    "deploy/**.md",
    "services/*/*.md",
    "libs/*/README.md",
    "tools/README.md",
    "tools/*/README.md",
    "tests/**/README.md",
]
exclude_patterns = [".*", "**/.*", "**/node_modules"]

# Headings have the same anchors as on GitHub.
myst_heading_anchors = 6

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
