"""All tabs in one dashboard."""

import ipywidgets as widgets

from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.studio.compare_tab import CompareTab
from qdvae_helpers.studio.generate_tab import GenerateTab
from qdvae_helpers.studio.inside_tab import InsideTab
from qdvae_helpers.studio.tables import table
from qdvae_helpers.studio.train_tab import TrainTab
from qdvae_helpers.widgets.panels import Panel


class Studio(Panel):
    """One dashboard: train, tune, generate, look inside and compare models.

    Args:
        store: where models are read and saved; the usual folder if left out.
    """

    def __init__(self, store: ModelStore | None = None) -> None:
        super().__init__()
        self.store = store or ModelStore()
        self.train = TrainTab(self.store, self.models_changed)
        self.generate = GenerateTab(self.store)
        self.inside = InsideTab(self.store)
        self.compare = CompareTab(self.store)
        self.tabs = (self.train, self.generate, self.inside, self.compare)
        shown = widgets.Tab([tab.widget for tab in self.tabs])
        for i, tab in enumerate(self.tabs):
            shown.set_title(i, tab.title)
        self.widget.add_class("qdvae-studio")
        self.unreadable = widgets.HTML()
        self.arrange(self.unreadable, shown)
        self.models_changed()
        self.train.view.run.watch()

    def models_changed(self) -> None:
        """Offer what the store holds now, in all lists; keep what is chosen where it is left."""
        names, unreadable = self.store.names(), self.store.unreadable()
        self.unreadable.value = ""
        if unreadable:
            why = "These files in the folder of models cannot be read, all others can"
            self.unreadable.value = table({"why": unreadable}, why)
        for tab in self.tabs:
            tab.offer(names)

    def close(self) -> None:
        """Stop all work but a run in training, which goes on in a process of its own."""
        for tab in self.tabs:
            tab.stop()
        super().close()
