"""Configuration of the site: ``make docs``.

The source folder is the repository itself, so links between lessons, glossary and README are the
same on the site, on a code host and in JupyterLab.  Notebooks are shown with their stored outputs;
nothing is executed and nothing is fetched: fonts, search and formulas come from local files.
"""

import html
import os
import re
import shutil
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs"), str(ROOT / "tools")]

import lesson_directives as made  # noqa: E402
from fontTools.subset import Subsetter  # noqa: E402
from fontTools.ttLib import TTFont  # noqa: E402
from lesson_pages import FIGURES, as_page, write_figures  # noqa: E402
from panel_stills import STILLS  # noqa: E402
from rooms_directive import Room, Rooms  # noqa: E402
from site_search import write_index  # noqa: E402

import qdvae_helpers  # noqa: E402

project = "QDVAE tutorials"
author = "The QDVAE tutorials authors"
project_copyright = f"2026, {author}"
version = release = qdvae_helpers.__version__
language = "en-GB"
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
REPOSITORY, SITE = URLS["Repository"], URLS["Documentation"]
LOGO = (ROOT / "docs" / "_static" / "favicon.svg").read_text()
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
    "sphinx_copybutton",
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
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
suppress_warnings = [
    "myst.header",  # lessons may step from a title to a sub-subheading
]

# What a learner types has a copy button; what cells print has none.
copybutton_selector = "div.highlight pre:not(.cell_output pre)"
copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True

# Formulas: docs/_static/math.js loads these parts of MathJax when a formula comes near the window.
mathjax_path = "math.js"
MATHJAX = (
    "core.js",
    "startup.js",
    "a11y/assistive-mml.js",
    "input/tex-base.js",
    "input/tex/extensions/ams.js",
    "output/chtml.js",
    "output/chtml/fonts",
)

autosummary_generate = True
autodoc_default_options = {"members": True, "show-inheritance": True, "member-order": "bysource"}
autodoc_default_options["ignore-module-all"] = True  # each name once, in the file that has it
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False

templates_path = [str(ROOT / "docs" / "_templates")]  # autosummary looks beside the sources
html_theme = "pydata_sphinx_theme"
html_title = project
html_baseurl = SITE
html_static_path = [
    "_static",
    "images/stage-light.svg",
    "images/stage-dark.svg",
    "images/social-card.png",
]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_favicon = "_static/favicon.svg"
html_additional_pages = {"index": "redirect.html", "404": "404.html", "search": "search.html"}
html_context = {"root_path": urlsplit(SITE).path, "logo": LOGO, "logo_quoted": quote(LOGO)}
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {
        "text": project,
        "image_light": "_static/favicon.svg",
        "image_dark": "_static/favicon.svg",
    },
    "icon_links": [
        {"name": "Repository", "url": REPOSITORY, "icon": "fa-solid fa-code-branch"},
    ],
    "search_bar_text": "Search lessons, words, names in the code",
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


def show_notebook(app, name: str, source: list[str]) -> None:
    """Notebooks as pages: figures from files, solutions folded, stills of panels."""
    if name.startswith("notebooks/"):
        source[0] = as_page(source[0], name.rpartition("/")[2])


def begin(app) -> None:
    """The search is our own; all figures are needed before the first page is read."""
    app.builder.search = False
    write_figures()


def write_assets(app, exception: Exception | None) -> None:
    """Figures beside the other pictures, and the parts of MathJax that formulas need."""
    if exception is not None or app.builder.name != "html":
        return
    out = Path(app.outdir)
    for pictures in (FIGURES, STILLS):
        shutil.copytree(pictures, out / "_images", dirs_exist_ok=True)
    (out / "docs" / "images").mkdir(parents=True, exist_ok=True)
    for still in (ROOT / "docs" / "images").glob("stage-*.svg"):  # the README's HTML names them
        shutil.copy(still, out / "docs" / "images")
    package = find_spec("sphinx-mathjax-offline").submodule_search_locations[0]
    for part in MATHJAX:
        source, target = (
            Path(package, "static", "mathjax", part),
            out / "_static" / "mathjax" / part,
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)


def write_stage(app, exception: Exception | None) -> None:
    """The page of the stage, beside the front page, which shows it in a frame."""
    if exception is None and app.builder.name == "html":
        os.environ.setdefault("QDVAE_DOWNLOAD", "0")  # building the site fetches nothing
        from qdvae_helpers.checkpoints import load_pretrained
        from qdvae_helpers.widgets.stage import stage_bytes, stage_page

        for name, model in (("stage", "qdvae-256-labels"), ("stage-fashion", "qdvae-fashion-256")):
            page = stage_page(stage_bytes(load_pretrained(model)))
            (Path(app.outdir) / "docs" / f"{name}.html").write_text(page, encoding="utf-8")


def slim_theme(app, exception: Exception | None) -> None:
    """Of the theme's classes and its two thousand icons only those that some page has."""
    if exception is not None or app.builder.name != "html":
        return
    static = Path(app.outdir) / "_static"
    used: set[str] = set()
    for page in Path(app.outdir).rglob("*.html"):
        for names in re.findall(r'\bclass="([^"]*)"', page.read_text("utf-8")):
            used.update(names.split())
    for script in [*static.glob("*.js"), *(static / "scripts").glob("*.js")]:
        used.update(re.findall(r"[\w-]+", script.read_text("utf-8")))
    sheet = static / "styles" / "pydata-sphinx-theme.css"
    css = re.sub(  # rules for nothing but classes
        r"(?<=[{}])((?:\.[\w-]+,?)+)\{[^{}]*\}",
        lambda rule: rule[0] if used & set(re.findall(r"[\w-]+", rule[1])) else "",
        sheet.read_text("utf-8"),
    )
    sheet.write_text(css, encoding="utf-8")
    signs = {int(code, 16) for code in re.findall(r"\\([ef][0-9a-f]{3})\b", css)}
    for font in (static / "vendor" / "fontawesome" / "webfonts").glob("*.woff2"):
        with TTFont(font) as whole:
            chosen = Subsetter()
            chosen.populate(unicodes=signs)
            chosen.subset(whole)
            whole.save(font)


def assets_of(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """What only notebooks or code need stays off the other pages."""
    absent = ["sphinx_highlight"]  # of the search that ours replaces
    absent += [] if pagename.startswith("notebooks/") else ["mystnb"]
    absent += [] if 'class="highlight"' in context.get("body", "") else ["copybutton", "clipboard"]
    for kind in ("css_files", "script_files"):
        context[kind] = [
            file
            for file in context[kind]
            if not any(name in str(getattr(file, "filename", file)) for name in absent)
        ]


def describe(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """What a link to a page shows elsewhere: title, sentence, picture."""
    title = re.sub("<[^>]+>", "", context.get("title", project))
    tags = {
        "og:title": title,
        "og:type": "website",
        "og:site_name": project,
        "og:description": ABOUT,
        "og:url": SITE if pagename == "index" else f"{SITE}{pagename}.html",
        "og:image": f"{SITE}_static/social-card.png",
        "og:image:alt": "A digit becomes spins on a chip, and new spins become a new digit.",
        "twitter:card": "summary_large_image",
    }
    context["metatags"] = context.get("metatags", "") + "".join(
        f'<meta property="{name}" content="{html.escape(text)}">\n' for name, text in tags.items()
    )
    context["metatags"] += f'<meta name="description" content="{html.escape(ABOUT)}">\n'


def setup(app) -> None:
    """Register the directives that read notebooks and package, and what pages need besides."""
    app.connect("builder-inited", begin)
    app.connect("build-finished", write_assets)
    app.connect("build-finished", write_index)
    app.connect("build-finished", write_stage)
    app.connect("build-finished", slim_theme)
    app.connect("html-page-context", describe)
    app.connect("html-page-context", assets_of)
    app.connect("source-read", give_title)
    app.connect("source-read", mark_unmeasured)
    app.connect("source-read", show_notebook)
    app.add_directive("gallery", made.Gallery)
    app.add_directive("launch-buttons", made.LaunchButtons)
    app.add_directive("lesson-cards", made.LessonCards)
    app.add_directive("lesson-figures", made.LessonFigures)
    app.add_directive("lesson-paths", made.LessonPaths)
    app.add_directive("room", Room)
    app.add_directive("rooms", Rooms)
