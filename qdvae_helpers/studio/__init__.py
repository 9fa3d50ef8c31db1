"""The studio: train, generate, look inside, compare, with widgets (used in ``12_studio``).

``dashboard`` is the whole, with one file a tab on the base in ``tab``; ``facts`` says what a file
tells and what is measured, ``figures`` draws one image's way through a model.
"""

from qdvae_helpers.studio.dashboard import Studio
from qdvae_helpers.studio.figures import journey_figure
from qdvae_helpers.studio.tables import facts, measures

__all__ = ["Studio", "facts", "journey_figure", "measures"]
