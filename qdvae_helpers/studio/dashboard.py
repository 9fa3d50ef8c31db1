"""All tabs in one dashboard."""

from pathlib import Path

import ipywidgets as widgets

from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.studio.compare_tab import CompareTab
from qdvae_helpers.studio.generate_tab import GenerateTab
from qdvae_helpers.studio.inside_tab import InsideTab
from qdvae_helpers.studio.tables import table
from qdvae_helpers.studio.train_tab import TrainTab
from qdvae_helpers.widgets.panels import Panel

_STYLE = Path(__file__).with_name("studio.css")


class Studio(Panel):
    """One dashboard: generate with, look into, train, tune and compare models.

    Shown on a page, it generates at once.

    Args:
        store: where models are read and saved; the usual folder if left out.
    """

    def __init__(self, store: ModelStore | None = None) -> None:
        super().__init__()
        self.store = store or ModelStore()
        self.generate = GenerateTab(self.store)
        self.inside = InsideTab(self.store)
        self.train = TrainTab(self.store, self.models_changed)
        self.compare = CompareTab(self.store)
        self.tabs = (self.generate, self.inside, self.train, self.compare)
        self.shown = widgets.Tab([tab.widget for tab in self.tabs])
        for i, tab in enumerate(self.tabs):
            self.shown.set_title(i, tab.title)
        self.shown.observe(lambda change: self._open(), "selected_index")
        self.widget.add_class("qdvae-studio")
        self.unreadable = widgets.HTML()
        style = widgets.HTML(f"<style>{_STYLE.read_text('utf-8')}</style>")
        self.arrange(style, self.unreadable, self.shown)
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

    def _open(self) -> None:
        self.tabs[self.shown.selected_index or 0].open()

    def _ipython_display_(self) -> None:
        super()._ipython_display_()
        self._open()

    def close(self) -> None:
        """Stop all work but a run in training, which goes on in a process of its own."""
        for tab in self.tabs:
            tab.stop()
        super().close()
