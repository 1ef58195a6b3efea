"""The documentation. `scripts/docs.sh` builds it, offline."""

import importlib
import sys
from pathlib import Path

import matplotlib

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_ext"))
matplotlib.use("agg")

import tamis  # noqa: E402

OPTIONAL = (
    "torch", "torchvision", "torchmetrics", "fiftyone", "eta", "bson", "pymongo", "lvis",
    "faster_coco_eval",
)  # fmt: skip


def imports(name: str) -> bool:
    try:
        importlib.import_module(f"{name}.detection" if name == "torchmetrics" else name)
    except Exception:  # a library may be there and broken
        return False
    return True


project = "tamis"
author = "the tamis authors"
copyright = "the tamis authors, Apache-2.0"
release = version = tamis.__version__

extensions = [
    "sphinx.ext.autodoc",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "tamis_pages",
]
exclude_patterns = [
    "_build",
    "_ext",
    "gallery/*.ipynb",
    "gallery/*.py",
    "gallery/sg_execution_times.rst",  # pages of sphinx-gallery that load scripts from a CDN
    "sg_execution_times.rst",
]
templates_path = []
nitpick_ignore_regex = [("py:.*", ".*")]
suppress_warnings = ["config.cache"]

toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say what is taken, shapes included
autodoc_mock_imports = [
    name for name in OPTIONAL if not imports(name)
]  # stand-ins without their library
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

sphinx_gallery_conf = {
    "examples_dirs": ["../examples"],
    "gallery_dirs": ["gallery"],
    "backreferences_dir": "gallery/names",  # which pictures show a function: of the API pages
    "doc_module": ("tamis",),
    "ignore_pattern": "rounds_of_labels",  # data to give, and a page of its own
    "filename_pattern": r"/plot_",  # the others train or need a database: the tests run them
    "abort_on_example_error": True,
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "min_reported_time": 60,
}

html_theme = "pydata_sphinx_theme"
html_title = "tamis"
html_static_path = ["_static"]
html_css_files = ["tamis.css"]
html_sidebars = {page: [] for page in ("index", "tour", "benchmarks")}
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "tamis"},
    "navbar_align": "left",
    "header_links_before_dropdown": 8,
    "navbar_end": ["theme-switcher"],
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
}


def own_part(app, what, name, obj, options, lines):  # type: ignore[no-untyped-def]
    """Keep what stand-ins say themselves after the replaced function's text, which is theirs."""
    if "With tamis" in lines:
        del lines[: lines.index("With tamis") + 2]


def setup(app):  # type: ignore[no-untyped-def]
    app.connect("autodoc-process-docstring", own_part, priority=100)  # before numpydoc
