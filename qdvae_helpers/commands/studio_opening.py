"""What the app's page shows while its kernel starts, and its colours where people prefer dark.

All of it stands in the page itself, so that it is there with the first bytes, before Python has
begun to load anything.
"""

import base64
import functools
import re
from pathlib import Path

#: The digits that the studio generates first, so that the page does not jump when they come.
STILL = Path(__file__).with_name("studio_still.png")

_OPENING = """<style>
#loading > .spinner-container, #loading > #loading_text {{ display: none !important }}
#loading {{ height: auto !important; display: block !important; padding: 1.5rem 1.2rem;
  font: 1rem/1.5 system-ui, sans-serif; color: var(--jp-ui-font-color1, #212121) }}
#qdvae-opening {{ max-width: 720px; margin: 0 auto }}
#qdvae-opening h1 {{ font-size: 1.6rem; font-weight: 400; margin: 0 0 .4rem }}
#qdvae-opening img {{ display: block; width: 100%; image-rendering: pixelated; margin: 1rem 0 }}
#qdvae-opening div {{ height: 4px; border-radius: 2px; overflow: hidden;
  background: var(--jp-border-color2, #d0d0d0) }}
#qdvae-opening div::after {{ content: ""; display: block; height: 100%; width: 30%;
  background: #0072B2; animation: qdvae-run 1.8s infinite ease-in-out alternate }}
@keyframes qdvae-run {{ to {{ transform: translateX(233%) }} }}
@media (prefers-reduced-motion: reduce) {{ #qdvae-opening div::after {{ animation: none }} }}
@media (prefers-color-scheme: dark) {{
  #qdvae-opening img {{ filter: invert(1) }}
{dark}
  html body {{ background: var(--jp-layout-color1) }}
}}
</style>
<script>
(() => {{ // what the page's style sheets ask for; Voila's own scripts set it to light later on
  const prefers = matchMedia("(prefers-color-scheme: dark)");
  const tell = () => {{
    const light = String(!prefers.matches), told = document.body.dataset;
    if (told.jpThemeLight !== light) told.jpThemeLight = light;
  }};
  tell();
  prefers.addEventListener("change", tell);
  new MutationObserver(tell).observe(document.body,
    {{attributes: true, attributeFilter: ["data-jp-theme-light"]}});
}})();
</script>
"""
_STILL = """<div id="qdvae-opening" role="status">
<h1>The studio</h1>
A model has made these digits from spins on the graph of a quantum processor, on a classical
computer. Python is starting, which takes some seconds; then you can make your own.
<img alt="Forty handwritten digits, made by the model qdvae-256"
 src="data:image/png;base64,{still}">
<div aria-hidden="true"></div></div>"""
_LOADING = re.compile(r'<div id="loading"[^>]*>')


@functools.cache
def _parts() -> tuple[str, str]:
    """What stands before the place where Voila says that it loads, and what in it."""
    still = base64.b64encode(STILL.read_bytes()).decode()
    return _OPENING.format(dark=_dark()), _STILL.format(still=still)


def with_opening(page: str) -> str:
    """A part of Voila's page; the one that tells of the start shows the still instead."""
    if not _LOADING.search(page):
        return page
    before, inside = _parts()
    return _LOADING.sub(lambda found: before + found[0] + inside, page, count=1)


def _dark() -> str:
    """JupyterLab's own dark colours, as nbconvert has them; without nbconvert's file a few."""
    from voila.paths import collect_static_paths  # the still is looked at without Voila, too

    for folder in collect_static_paths(["voila", "nbconvert"], "lab"):
        file = Path(folder, "theme-dark.css")
        if file.is_file():
            text = re.sub(r"/\*.*?\*/", "", file.read_text("utf-8"), flags=re.DOTALL)
            if found := re.search(r":root\s*\{([^{}]*)\}", text):
                return f"html:root {{ color-scheme: dark; {' '.join(found[1].split())} }}"
    return (
        "html:root { color-scheme: dark; --jp-layout-color0: #111; --jp-layout-color1: #111; "
        "--jp-ui-font-color1: #ddd; --jp-content-font-color1: #ddd }"
    )
