"""Configuration of the site: ``make docs``.

The source folder is the repository itself, so links between lessons, glossary and README are the
same on the site, on a code host and in JupyterLab.  Notebooks are shown with their stored outputs;
nothing is executed and nothing is fetched: fonts, search and formulas come from local files.
"""

import html
import json
import os
import re
import sys
import tomllib
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
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
ABOUT = (
    "Jupyter lessons from a classical autoencoder to a generative model whose prior lives on the "
    "graph of a quantum processor. Everything runs on a laptop, without an account."
)

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
html_static_path = [
    "_static",
    "images/stage-light.svg",
    "images/stage-dark.svg",
    "images/social-card.png",
]
html_css_files = ["site.css"]
html_js_files = ["stage-frame.js"]
html_favicon = "_static/favicon.svg"
html_additional_pages = {"index": "redirect.html"}
html_show_sourcelink = False
html_theme_options = {
    "logo": {
        "text": project,
        "image_light": "_static/favicon.svg",
        "image_dark": "_static/favicon.svg",
    },
    "github_url": REPOSITORY,
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


def write_stage(app, exception: Exception | None) -> None:
    """The page of the stage, beside the front page, which shows it in a frame."""
    if exception is None and app.builder.name == "html":
        os.environ.setdefault("QDVAE_DOWNLOAD", "0")  # building the site fetches nothing
        from qdvae_helpers.checkpoints import load_pretrained
        from qdvae_helpers.widgets.stage import stage_bytes, stage_page

        for name, model in (("stage", "qdvae-256-labels"), ("stage-fashion", "qdvae-fashion-256")):
            page = stage_page(stage_bytes(load_pretrained(model)))
            (Path(app.outdir) / "docs" / f"{name}.html").write_text(page, encoding="utf-8")


def describe(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """What a link to a page shows elsewhere: title, sentence, picture."""
    title = re.sub("<[^>]+>", "", context.get("title", project))
    tags = {
        "og:title": title,
        "og:type": "website",
        "og:site_name": project,
        "og:description": ABOUT,
        "og:image": f"{context['pathto']('_static/social-card.png', resource=True)}",
        "twitter:card": "summary_large_image",
    }
    context["metatags"] = context.get("metatags", "") + "".join(
        f'<meta property="{name}" content="{html.escape(text)}">\n' for name, text in tags.items()
    )
    context["metatags"] += f'<meta name="description" content="{html.escape(ABOUT)}">\n'


def setup(app) -> None:
    """Register the two directives that read the notebooks, and what a page needs besides."""
    app.connect("build-finished", write_stage)
    app.connect("html-page-context", describe)
    app.connect("source-read", give_title)
    app.connect("source-read", mark_unmeasured)
    app.connect("source-read", fold_solutions)
    app.add_directive("lesson-cards", LessonCards)
    app.add_directive("lesson-figures", LessonFigures)
