"""Building blocks of widgets: labelled numbers, pictures, messages, and what all panels do alike.

Only ipywidgets, 7.7 or 8.  Every picture carries alternative text; every slider has a number field
with a name beside it, because a slider's handle has none that a screen reader could say.
"""

import gc
import html
import math
from collections.abc import Callable

import ipywidgets as widgets
import torch
from IPython.display import display
from matplotlib.figure import Figure
from PIL import Image

from qdvae_helpers.background import Progress, TrainingRun, TrainRequest, in_words
from qdvae_helpers.errors import SettingError
from qdvae_helpers.judge import load_judge
from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.plots import VERMILLION, history_figure, image_grid, image_tag, picture

_WIDE = {"description_width": "150px"}
# The grey of inactive tabs is too pale to read in both themes; pictures must not leave the page.
_STYLE = """<style>
.qdvae-panel .lm-TabBar-tabLabel, .qdvae-panel .p-TabBar-tabLabel
{ color: var(--jp-ui-font-color1) }
.qdvae-panel img { max-width: 100%; height: auto }
.qdvae-panel table { color: var(--jp-ui-font-color1) }
</style>"""


class Picture:
    """A place for a figure with its alternative text."""

    def __init__(self) -> None:
        self.widget = widgets.HTML()
        self.widget.add_class("qdvae-picture")

    def show(self, fig: Figure, *, alt: str) -> None:
        """Put this figure in place of the last one."""
        self.widget.value = picture(fig, alt=alt)

    def show_image(self, image: Image.Image, *, alt: str) -> None:
        """Put this image in place of the last one."""
        self.widget.value = image_tag(image, alt=alt)


class Message:
    """A line for the person: what happens, or what went wrong and how to mend it."""

    def __init__(self) -> None:
        self.widget = widgets.HTML()
        self.widget.add_class("qdvae-message")
        self.text = ""

    def say(self, text: str) -> None:
        """Show a plain line; screen readers read it when they have time."""
        self.text = text
        self.widget.value = f'<div role="status">{html.escape(text)}</div>'

    def error(self, error: Exception | str) -> None:
        """Show an error; screen readers read it at once."""
        self.text = error if isinstance(error, str) else in_words(error)
        # A coloured edge and a word, so that the text keeps the colour of either theme.
        self.widget.value = (
            f'<div role="alert" style="border-left: 6px solid {VERMILLION}; padding-left: 8px">'
            f"<b>Not possible:</b> {html.escape(self.text)}</div>"
        )

    def clear(self) -> None:
        """Show nothing."""
        self.text = self.widget.value = ""


class Number:
    """A number with a name, to type or to slide.

    Args:
        label: its name.
        value: to begin with.
        low, high: both allowed.
        step: an ``int`` makes it a whole number.
    """

    def __init__(self, label: str, value: float, low: float, high: float, step: float = 1) -> None:
        whole = isinstance(step, int)
        limits = {"value": value, "min": low, "max": high, "step": step}
        field = widgets.BoundedIntText if whole else widgets.BoundedFloatText
        slider = widgets.IntSlider if whole else widgets.FloatSlider
        self.field = field(**limits, description=label, style=_WIDE, layout={"width": "250px"})
        self.slider = slider(**limits, readout=False, layout={"width": "180px"})
        # A slider counts its steps in binary fractions: 0.1 would be shown as 0.09999999.
        digits = 0 if whole else max(0, -math.floor(math.log10(step)))
        tidy = int if whole else lambda number: round(number, digits)
        transform = (lambda number: number, tidy)
        widgets.link((self.field, "value"), (self.slider, "value"), transform=transform)
        self.widget = widgets.HBox([self.field, self.slider])

    @property
    def value(self) -> float:
        """The number."""
        return self.field.value

    @value.setter
    def value(self, value: float) -> None:
        self.field.value = value

    def on_change(self, answer: Callable[[], None]) -> None:
        """Call ``answer`` whenever the number has changed."""
        self.field.observe(lambda change: answer(), "value")

    def disable(self, disabled: bool) -> None:
        """Grey it out, or not."""
        self.field.disabled = self.slider.disabled = disabled


def choice(label: str, options: list, **more) -> widgets.Dropdown:
    """A drop-down list with a name."""
    layout = {"width": "440px"}
    return widgets.Dropdown(options=options, description=label, style=_WIDE, layout=layout, **more)


def text_field(label: str, value: str = "") -> widgets.Text:
    """A field for a short text, with a name."""
    layout = {"width": "440px"}
    return widgets.Text(value=value, description=label, style=_WIDE, layout=layout)


def button(label: str, answer: Callable[[], None], **more) -> widgets.Button:
    """A button that calls ``answer``."""
    made = widgets.Button(description=label, **more)
    made.on_click(lambda clicked: answer())
    return made


def beside(*parts: widgets.Widget) -> widgets.HBox:
    """Parts next to each other, broken into lines where the page is narrow."""
    return widgets.HBox(list(parts), layout={"flex_flow": "row wrap"})


class Panel:
    """What every widget here does: shows itself, shows errors to the person, and closes down.

    A new panel closes the last one of its class, so a cell that runs twice leaves nothing running.
    """

    _open: dict[type, "Panel"] = {}  # noqa: RUF012 - shared by all panels on purpose

    def __init__(self) -> None:
        if former := Panel._open.get(type(self)):
            former.close()
        self.message = Message()
        self.closed = False
        self.widget = widgets.VBox()
        self.widget.add_class("qdvae-panel")

    def arrange(self, *parts: widgets.Widget) -> None:
        """Put the parts under each other, below the panel's message: the panel is complete."""
        Panel._open[type(self)] = self  # not earlier: half a panel could not be closed
        self.widget.children = [widgets.HTML(_STYLE), self.message.widget, *parts]
        # Python's search for garbage among all that torch and matplotlib have loaded takes a third
        # of a second, now and then while somebody moves a slider: search only what comes from now.
        gc.collect()
        gc.freeze()

    def guarded(self, answer: Callable[..., None]) -> Callable[..., None]:
        """The same function, but an error is shown to the person instead of being lost."""

        def answer_or_explain(*arguments) -> None:
            if self.closed:
                return
            try:
                answer(*arguments)
            except Exception as error:
                self.message.error(error)

        return answer_or_explain

    def close(self) -> None:
        """Stop what works in the background, and remove the widget from the page."""
        self.closed = True
        gc.unfreeze()
        if Panel._open.get(type(self)) is self:
            del Panel._open[type(self)]
        self.widget.close()

    def _ipython_display_(self) -> None:
        display(self.widget)


@torch.no_grad()
def read_aloud(images: torch.Tensor) -> str:
    """Digits as a classifier reads them, for the alternative text."""
    return " ".join(str(int(digit)) for digit in load_judge().classify(images))


class TrainingView:
    """A training run on the screen: progress, time left, cancel, curves, samples.

    Args:
        store: where the run reads and saves.
        on_change: called, perhaps in the training thread, when the store has changed.
    """

    def __init__(self, store: ModelStore, on_change: Callable[[], None]) -> None:
        self._store, self._on_change = store, on_change
        self.run: TrainingRun | None = None
        self.cancel = button("Cancel", self._cancel, disabled=True)
        self.bar = widgets.FloatProgress(min=0, max=1, layout={"width": "440px"})
        self.message = Message()
        self.message.widget.add_class("qdvae-progress")
        self.curves, self.samples = Picture(), Picture()
        self.parts = (self.bar, self.message.widget, self.curves.widget, self.samples.widget)
        self._idle_only: tuple[widgets.Button, ...] = ()

    def when_idle(self, *buttons: widgets.Button) -> None:
        """These buttons work only while no run is in progress."""
        self._idle_only = buttons

    def start(self, request: TrainRequest | str) -> None:
        """Begin a run, see :class:`~qdvae_helpers.background.TrainingRun`.

        Raises:
            SettingError: one is in progress, or the request has a fault.
        """
        if self.run is not None and self.run.running:
            raise SettingError("A run is in progress: wait for its end, or cancel it.")
        self.run = TrainingRun(
            self._store,
            request,
            on_progress=self._progressed,
            on_report=self._reported,
            on_end=self._ended,
        )
        self.bar.value = 0
        self.message.say("preparing")
        self._buttons(running=True)
        self.run.start()

    def stop(self) -> None:
        """Cancel the run, keep its last step, and wait for its end."""
        if self.run is not None and self.run.running:
            self.run.cancel()
            self.run.join(timeout=30)

    def _cancel(self) -> None:
        if self.run is not None:
            self.run.cancel()
            self.message.say("stopping after this step")

    def _buttons(self, running: bool) -> None:
        self.cancel.disabled = not running
        for idle_only in self._idle_only:
            idle_only.disabled = running

    # What follows is called in the training thread.

    def _progressed(self, progress: Progress) -> None:
        self.bar.value = progress.step / progress.steps
        self.message.say(str(progress))

    def _reported(self, history: list[dict], images: torch.Tensor) -> None:
        last = history[-1]
        alt = (
            f"Training curves up to step {last['step']}: held-out reconstruction "
            f"{last['validation']:.1f} nats, {last['dead_spins']} dead spins, size of couplings "
            f"{last['coupling_rms']:.3f}."
        )
        self.curves.show(history_figure(history), alt=alt)
        grid = image_grid(images, title=f"Samples of the prior at step {last['step']:,}")
        alt = f"{len(images)} generated digits; a classifier reads them as {read_aloud(images)}."
        self.samples.show(grid, alt=alt)

    def _ended(self, how: str, sentence: str) -> None:
        self._on_change()
        self._buttons(running=False)
        if how == "failed":
            self.message.error(sentence)
        else:
            self.message.say(sentence)
