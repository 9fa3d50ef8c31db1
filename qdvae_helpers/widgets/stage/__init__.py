"""The stage: a trained model alive in the browser (lessons, studio, and a page of its own).

``stage.js`` draws and computes; ``data`` writes the file that it reads; ``Stage`` shows it in a
notebook; ``stage_page`` is a page for any browser, without a server; ``stage_picture`` a still.
"""

from qdvae_helpers.widgets.stage.data import stage_bytes
from qdvae_helpers.widgets.stage.page import stage_page
from qdvae_helpers.widgets.stage.picture import stage_picture
from qdvae_helpers.widgets.stage.widget import Stage

__all__ = ["Stage", "stage_bytes", "stage_page", "stage_picture"]
