"""Configuration of the site: ``make docs``.

The source folder is the repository itself, so links between lessons, glossary and README are the
same on the site, on a code host and in JupyterLab.  Notebooks are shown with their stored outputs;
nothing is executed and nothing is fetched: fonts, search and formulas come from local files.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from lesson_directives import LessonCards, LessonFigures  # noqa: E402

import qdvae_helpers  # noqa: E402

project = "QDVAE tutorials"
author = "The QDVAE tutorials authors"
project_copyright = f"2026, {author}"
version = release = qdvae_helpers.__version__
language = "en-GB"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_design",
    "sphinx-mathjax-offline",
]
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "benchmarks/README.md",
    "benchmarks/results/*.md",
    "data/README.md",
    "docs/**",
    "notebooks/*.ipynb",
]
exclude_patterns = ["**/.ipynb_checkpoints", "docs/_*"]

nb_execution_mode = "off"
nb_ipywidgets_js = {}  # stored outputs hold no live widgets
nb_code_prompt_show = "Solution"
nb_code_prompt_hide = "Fold the solution"
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "html_admonition"]
myst_heading_anchors = 3
suppress_warnings = [
    "myst.header",  # lessons may step from a title to a sub-subheading
]

autosummary_generate = True
autodoc_default_options = {"members": True, "show-inheritance": True, "member-order": "bysource"}
autodoc_default_options["ignore-module-all"] = True  # each name once, in the file that has it
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False

templates_path = ["_templates"]
html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_additional_pages = {"index": "redirect.html"}
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": project},
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "show_prev_next": True,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "secondary_sidebar_items": {"**": ["page-toc"], "docs/gallery": [], "docs/index": []},
}
html_sidebars = {"docs/index": [], "docs/gallery": [], "docs/handout": []}


def give_title(app, name: str, source: list[str]) -> None:
    """Tables that benchmarks write have no heading; a page needs one."""
    if name.startswith("benchmarks/results/") and not source[0].startswith("#"):
        source[0] = f"# Results: {name.rpartition('/')[2]}\n\n{source[0]}"


def mark_unmeasured(app, name: str, source: list[str]) -> None:
    """Results that no benchmark has written yet are no dead links, but said to be missing."""
    if name == "benchmarks/README":
        for text, target in re.findall(r"\[([^]]+)\]\((results/[^)]+)\)", source[0]):
            if not (ROOT / "benchmarks" / target).exists():
                source[0] = source[0].replace(f"[{text}]({target})", f"{text} (not measured yet)")


def fold_solutions(app, name: str, source: list[str]) -> None:
    """Solutions are folded in JupyterLab; fold them here, too."""
    if name.startswith("notebooks/"):
        notebook = json.loads(source[0])
        for cell in notebook["cells"]:
            if "solution" in (tags := cell["metadata"].get("tags", [])):
                tags.append("hide-input")
        source[0] = json.dumps(notebook)


def setup(app) -> None:
    """Register the two directives that read the notebooks."""
    app.connect("source-read", give_title)
    app.connect("source-read", mark_unmeasured)
    app.connect("source-read", fold_solutions)
    app.add_directive("lesson-cards", LessonCards)
    app.add_directive("lesson-figures", LessonFigures)
