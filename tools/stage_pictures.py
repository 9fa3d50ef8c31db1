"""Draw the stills of the stage that README and site show, and the card for social media.

    python tools/stage_pictures.py

Writes `stage-light.svg`, `stage-dark.svg` and `social-card.png` to docs/images, and what the studio
shows while it starts; after `make pretrained`.  The card is a photograph of the first one: it needs
Chromium, and playwright (extra dev).
"""

import hashlib
import os
import shutil
import sys
from pathlib import Path

from qdvae_helpers.checkpoints import PRETRAINED_DIR, load_pretrained
from qdvae_helpers.commands.studio_opening import STILL
from qdvae_helpers.data import held_out_sample
from qdvae_helpers.studio.figures import opening_still
from qdvae_helpers.widgets.stage import stage_picture

MODEL, GOES_IN, COMES_OUT = "qdvae-256-labels", 7, "3"
IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
TITLE = "From autoencoders to a quantum-ready generative model"
_CARD = f"""<body style="margin: 0; background: #fff; font-family: system-ui, sans-serif">
<h1 style="margin: 0; padding: 14px 40px 0; font-size: 34px">{TITLE}</h1>
<div style="width: 1040px; margin: 6px auto">@STILL@</div></body>"""


def mark(model: str = MODEL) -> str:
    """Which model a still shows, as a comment: a test compares it with the one that ships."""
    content = (PRETRAINED_DIR / f"{model}.safetensors").read_bytes()
    return f"<!-- {model} {hashlib.sha256(content).hexdigest()[:16]} -->\n"


def main() -> int:
    """Draw them all."""
    opening_still().save(STILL, optimize=True)
    model = load_pretrained(MODEL)
    held_out = held_out_sample(100).rounded()
    image = held_out.images[held_out.labels.tolist().index(GOES_IN)]
    for theme in ("light", "dark"):
        svg = stage_picture(model, image, theme=theme, wish=COMES_OUT)
        (IMAGES / f"stage-{theme}.svg").write_text(svg + mark(), encoding="utf-8")
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("QDVAE_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 630})
        still = (IMAGES / "stage-light.svg").read_text(encoding="utf-8")
        page.set_content(_CARD.replace("@STILL@", still))
        page.screenshot(path=IMAGES / "social-card.png")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
