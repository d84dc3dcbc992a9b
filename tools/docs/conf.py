"""The settings of Sphinx for the site of the documents. `build.py` builds the site."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

project = "Shopfloor"
html_title = "Shopfloor"
extensions = ["myst_parser", "navigation", "diagrams", "repository_links"]

# The pages are in the folders of the repository that they describe, so the source folder is the repository.
root_doc = "README"
include_patterns = [
    "*.md",
    "docs/**.md",
    "chaos/**.md",
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
