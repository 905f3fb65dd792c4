"""Sphinx reads this; `tox -e docs` builds."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "clipig"
author = "the clipig authors"
project_copyright = "2026 the clipig authors"
release = importlib.metadata.version("clipig")
html_title = f"clipig {release}"
html_theme = "furo"

extensions = ["myst_nb", "sphinx.ext.autodoc", "clipig_reference"]
nb_execution_mode = "off"  # notebooks hold what their cells gave; docs/make_notebooks.py executes them
exclude_patterns = ["_build", "_ext"]
myst_heading_anchors = 3

default_role = "code"  # docstrings write code as Markdown does
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
