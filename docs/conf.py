"""Sphinx: Markdown in, HTML with search out. Nothing is fetched."""

from __future__ import annotations

from fluentpro import __version__

project = "FluentPro"
author = "FluentPro"
copyright = "FluentPro"
version = release = __version__

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
# Each heading is an anchor, by the same name as on a page that GitHub shows.
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"FluentPro {__version__}"
html_copy_source = False
html_show_sphinx = False
