"""Building blocks of widgets: labelled numbers, pictures, messages, and what all panels do alike.

Only ipywidgets, 7.7 or 8.  Every picture carries alternative text; every slider has a number field
with a name beside it, because a slider's handle has none that a screen reader could say.
"""

import html
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import ipywidgets as widgets
import torch
from IPython.display import display
from matplotlib.figure import Figure
from PIL import Image

from qdvae_helpers.errors import in_words
from qdvae_helpers.judge import load_judge
from qdvae_helpers.plots import VERMILLION, image_tag, picture

_WIDE = {"description_width": "150px"}
_STYLE = Path(__file__).with_name("panels.css")


class Picture:
    """A place for a figure with its alternative text."""

    def __init__(self) -> None:
        self.widget = widgets.HTML()
        self.widget.add_class("qdvae-picture")

    def show(self, fig: Figure, *, alt: str) -> None:
        """Put this figure in place of the last one."""
        self.widget.value = picture(fig, alt=alt)

    def show_image(self, image: Image.Image, *, alt: str, heading: str = "") -> None:
        """Put this image, and a heading above it, in place of the last ones."""
        above = f"<h4>{html.escape(heading)}</h4>" if heading else ""
        self.widget.value = above + image_tag(image, alt=alt)


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

    def guarded(self, answer: Callable[[], None]) -> Callable[[], None]:
        """The same function, but an error is shown here instead of being lost."""

        def answer_or_explain() -> None:
            try:
                answer()
            except Exception as error:
                self.error(error)

        return answer_or_explain


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
        self.field.add_class("qdvae-number")
        self.widget = widgets.HBox([self.field, self.slider])
        self.widget.add_class("qdvae-row")

    @property
    def value(self) -> float:
        """The number."""
        return self.field.value

    @value.setter
    def value(self, value: float) -> None:
        self.field.value = value

    def on_change(self, answer: Callable[[], None]) -> None:
        """Call ``answer`` whenever the number has changed."""
        on_change(self.field, answer)

    def disable(self, disabled: bool) -> None:
        """Grey it out, or not."""
        self.field.disabled = self.slider.disabled = disabled


def on_change(widget: widgets.Widget, answer: Callable[[], None]) -> None:
    """Call ``answer`` whenever the widget's value has changed."""
    widget.observe(lambda change: answer(), "value")


def choice(label: str, options: list) -> widgets.Dropdown:
    """A drop-down list with a name."""
    layout = {"width": "440px"}
    return widgets.Dropdown(options=options, description=label, style=_WIDE, layout=layout)


def text_field(label: str, value: str = "") -> widgets.Text:
    """A field for a short text, with a name."""
    layout = {"width": "440px"}
    return widgets.Text(value=value, description=label, style=_WIDE, layout=layout)


def button(label: str, answer: Callable[[], None], **more) -> widgets.Button:
    """A button that calls ``answer``; ``more`` goes to ``ipywidgets.Button``."""
    made = widgets.Button(description=label, **more)
    made.on_click(lambda clicked: answer())
    return made


def beside(*parts: widgets.Widget) -> widgets.HBox:
    """Parts next to each other, broken into lines where the page is narrow."""
    return widgets.HBox(list(parts), layout={"flex_flow": "row wrap"})


def halves(controls: Sequence[widgets.Widget], result: Sequence[widgets.Widget]) -> widgets.Box:
    """Controls at the left and the result at the right; below them where the page is narrow."""
    parts = []
    for part, name in ((controls, "controls"), (result, "result")):
        half = widgets.VBox(list(part))
        half.add_class(f"qdvae-{name}")
        parts.append(half)
    both = widgets.Box(parts)
    both.add_class("qdvae-halves")
    return both


@torch.no_grad()
def read_aloud(images: torch.Tensor) -> str:
    """Digits ``(N, 1, 28, 28)`` as a classifier reads them, for the alternative text."""
    return " ".join(str(int(digit)) for digit in load_judge().classify(images))


class Panel:
    """What every widget here does: shows itself, shows errors to the person, and closes down.

    A new panel closes the last one of its class, so a cell that runs twice leaves nothing running.
    """

    _last: "Panel | None" = None  # the open one; each class has its own

    def __init__(self) -> None:
        if self._last is not None:
            self._last.close()
        self.message = Message()
        self.closed = False
        self.widget = widgets.VBox()
        self.widget.add_class("qdvae-panel")

    def arrange(self, *parts: widgets.Widget) -> None:
        """Put the parts under each other, below the panel's message: the panel is complete."""
        type(self)._last = self  # not earlier: half a panel could not be closed
        self.widget.children = [
            widgets.HTML(f"<style>{_STYLE.read_text('utf-8')}</style>"),
            self.message.widget,
            *parts,
        ]

    def guarded(self, answer: Callable[[], None]) -> Callable[[], None]:
        """The same function, but an error is shown to the person; nothing once this is closed."""
        explained = self.message.guarded(answer)
        return lambda: None if self.closed else explained()

    def close(self) -> None:
        """Stop what works in the background, and remove the widget from the page."""
        self.closed = True
        if self._last is self:
            type(self)._last = None
        self.widget.close()

    def _ipython_display_(self) -> None:
        display(self.widget)
