"""Training curves to read and to toggle: one small widget for every history of reports."""

import math
from collections.abc import Sequence
from pathlib import Path

import anywidget
import traitlets

# Title and unit of each panel, and its lines: key of the report, and what it is called.
_PANELS = (
    (
        "Loss of the step",
        "nats per image",
        {
            "loss": "total",
            "loss_reconstruction": "reconstruction",
            "loss_kl": "KL, up to a constant",
            "loss_nll": "NLL of the prior, up to a constant",
        },
    ),
    ("MMD of the step", "no unit", {"loss_mmd": "MMD"}),
    (
        "Reconstruction",
        "nats per image",
        {"reconstruction": "training images", "validation": "held-out images"},
    ),
    ("Spins", "nats; count", {"entropy": "encoder entropy", "dead_spins": "dead spins"}),
    ("Prior", "no unit", {"coupling_rms": "size of couplings", "moment_gap": "moment gap"}),
)


class Curves(anywidget.AnyWidget):
    """Curves over the steps of a run; pointer or arrow keys read all values of a step.

    Entries of the legend hide and show lines, a box makes the axes logarithmic.  It needs no other
    host, follows the page's theme, and says in words what it shows.
    """

    _esm = Path(__file__).with_name("curves.js")
    _css = Path(__file__).with_name("curves.css")
    steps = traitlets.List().tag(sync=True)
    panels = traitlets.List().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self.add_class("qdvae-curves")

    def show(self, history: Sequence[dict], what: str = "Training curves") -> None:
        """Draw these reports; what none of them has is left out.

        Args:
            history: as ``model.info["history"]`` holds it; reports may lack what others have.
            what: begins the alternative text.
        """
        panels = []
        for title, unit, named in _PANELS:
            lines = [
                {"name": name, "values": [_number(report.get(key)) for report in history]}
                for key, name in named.items()
            ]
            lines = [line for line in lines if any(v is not None for v in line["values"])]
            if lines:
                panels.append({"title": title, "unit": unit, "lines": lines})
        with self.hold_sync():
            self.steps = [report["step"] for report in history]
            self.panels = panels
            self.alt = _told(what, history, panels)


def _number(value: float | None) -> float | None:
    """JSON knows no infinite number, and no NaN."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.5g}")


def _told(what: str, history: Sequence[dict], panels: list[dict]) -> str:
    """First and last values of all lines in words."""
    if not history:
        return f"{what}: no report yet."
    lines = []
    for panel in panels:
        for line in panel["lines"]:
            known = [value for value in line["values"] if value is not None]
            lines.append(f"{panel['title']}, {line['name']} {known[0]:g} to {known[-1]:g}")
    steps = f"steps {history[0]['step']:,} to {history[-1]['step']:,}"
    return f"{what}, {steps}: {'; '.join(lines)}."
