"""All tabs in one dashboard."""

from collections.abc import Iterator
from pathlib import Path

import anywidget
import ipywidgets as widgets
import traitlets

from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.studio.compare_tab import CompareTab
from qdvae_helpers.studio.generate_tab import GenerateTab
from qdvae_helpers.studio.inside_tab import InsideTab
from qdvae_helpers.studio.tables import table
from qdvae_helpers.studio.train_tab import TrainTab
from qdvae_helpers.widgets.panels import Panel

_STYLE = Path(__file__).with_name("studio.css")


class Seen(anywidget.AnyWidget):
    """Counts how often a page has drawn it, and is not to be seen.

    A page takes over what widgets show at one moment, and hears of changes a moment later; what a
    thread has changed in between would be lost.
    """

    _esm = """
    export default { render({ model, el }) {
        el.style.display = "none";
        model.set("times", model.get("times") + 1);
        model.save_changes();
    } };
    """
    times = traitlets.Int(0).tag(sync=True)


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
        self.seen = Seen()
        self.seen.observe(lambda change: self._tell_all(), "times")
        self.arrange(style, self.unreadable, self.shown, self.seen)
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

    def _tell_all(self) -> None:
        for widget in _below(self.shown):
            if not isinstance(widget, widgets.Box):
                widget.send_state()

    def _ipython_display_(self) -> None:
        super()._ipython_display_()
        self._open()

    def close(self) -> None:
        """Stop all work but a run in training, which goes on in a process of its own."""
        for tab in self.tabs:
            tab.stop()
        super().close()


def _below(widget: widgets.Widget) -> Iterator[widgets.Widget]:
    """All widgets inside of this one."""
    for child in getattr(widget, "children", ()):
        yield child
        yield from _below(child)
