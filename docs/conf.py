"""How Sphinx builds the site: `make docs`. It needs no network, and the built pages ask for nothing from elsewhere."""

import sys
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx
from sphinx_gallery.sorting import FileNameSortKey

import refnet

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "extensions"))

project = "refnet"
copyright = "the refnet developers"
version = release = refnet.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "docstrings",
    "command_pages",
    "lessons",
    "mathml",
    "self_contained",
]
exclude_patterns = ["extensions", "static", "templates", "lessons", "**/sg_execution_times.rst"]
templates_path = ["templates"]
html_math_renderer = "mathml"
highlight_language = "none"
default_role = "py:obj"
smartquotes = False  # `--faces` keeps its two dashes
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]  # the gallery's settings hold functions, which cannot be kept between builds
nitpicky = False

autodoc_typehints = "none"  # docstrings say shapes, which types do not
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
add_module_names = False
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"

sphinx_gallery_conf = {
    "examples_dirs": "lessons",
    "gallery_dirs": "learn",
    "filename_pattern": "",
    "within_subsection_order": FileNameSortKey,
    "abort_on_example_error": True,
    "reset_modules": ("lessons.prepare",),
    "backreferences_dir": "learn/uses",
    "doc_module": ("refnet",),
    "image_srcset": ["2x"],
    "thumbnail_size": (640, 448),
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "capture_repr": (),
    "parallel": 2,
    "nested_sections": False,
    "copyfile_regex": "",
}

html_theme = "furo"
html_title = "refnet"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#00568a", "color-brand-content": "#00689f"},
    "dark_css_variables": {"color-brand-primary": "#6fc3f2", "color-brand-content": "#6fc3f2"},
}


def setup(app: Sphinx) -> None:
    """Let pages mark tables as csv, which Pygments does not know."""
    app.add_lexer("csv", TextLexer)
