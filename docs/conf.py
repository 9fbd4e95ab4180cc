"""How Sphinx makes a site of this folder, for `make docs`. Nothing is fetched from a network."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "fedjax_shap"
author = "the authors of fedjax_shap"
project_copyright = f"{author}. Apache-2.0"
release = version_of("fedjax-shap")
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
    "site_names",
    "site_math",
]
exclude_patterns = ["_build", "gallery"]
nitpicky = True

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_math_renderer = "mathml"
pygments_style = "friendly"
pygments_dark_style = "github-dark"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

default_role = "py:obj"
python_maximum_signature_line_length = 60
python_use_unqualified_type_names = True
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_custom_sections = ["Guarantees"]

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": r"plot_",
    "abort_on_example_error": True,
    "run_stale_examples": True,
    "write_computation_times": False,
    "download_all_examples": False,
    "min_reported_time": 1_000_000,  # seconds on whatever machine built the site say nothing
    "remove_config_comments": True,
    "image_srcset": ["2x"],
    "show_signature": False,
}
