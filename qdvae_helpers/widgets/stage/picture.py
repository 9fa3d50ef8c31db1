"""A still of the stage: a digit becomes spins on the chip, and new spins become a new digit."""

import base64
import html
import io

import numpy as np
import torch
from PIL import Image

from qdvae_helpers.arguments import require_images, require_kind, require_plain, require_seed
from qdvae_helpers.errors import SettingError
from qdvae_helpers.models import QDVAE
from qdvae_helpers.samplers import GibbsSampler
from qdvae_helpers.widgets.stage.data import places_of

_WIDTH, _HEIGHT = 1200, 640
_CHIP = (470, 296)  #: size of a chip
_DIGIT = 170
_ROWS = (10, 336)  #: where each row begins
_THEMES = {
    "light": {
        "paper": (255, 255, 255),
        "ink": (22, 24, 35),
        "text": "#1b1f28",
        "soft": "#4b515c",
        "line": "#c3c8d2",
        "up": "#1a7fc1",
        "down": "#e69f00",
        "agree": "#12915a",
        "differ": "#8942b9",
    },
    "dark": {
        "paper": (16, 19, 28),
        "ink": (240, 243, 250),
        "text": "#eef1f7",
        "soft": "#b6bdca",
        "line": "#3a4152",
        "up": "#56b4e9",
        "down": "#e69f00",
        "agree": "#46c896",
        "differ": "#be87f0",
    },
}


@torch.no_grad()
def stage_picture(
    model: QDVAE,
    image: torch.Tensor,
    *,
    theme: str = "light",
    wish: str | None = None,
    seed: int = 0,
) -> str:
    """An SVG of the model at work, with a transparent ground.

    Above: ``image``, the encoder's spins, what the decoder makes of them.  Below: spins that a
    Gibbs sampler drew from the prior, and the new picture.  Each loss stands where it acts.

    Args:
        model: a trained one.
        image: ``(1, 28, 28)``, what goes in.
        theme: ``light`` or ``dark``.
        wish: the class of the new picture, where the model knows any.
        seed: of both draws.
    """
    require_kind("model", model, QDVAE)
    if theme not in list(_THEMES):
        raise SettingError(f"theme={theme!r}: choose one of {', '.join(_THEMES)}.")
    image = require_images("image", require_plain("image", image).unsqueeze(0))
    generator = torch.Generator().manual_seed(require_seed(seed))
    written = model.spins(model.encode(image), generator)
    sampler = GibbsSampler(model.grbm, 1, seed=seed, graph=model.graph)
    drawn = model.prior_strings(1, sampler, seed, classes=wish)
    back, new = model.decode(torch.cat([written, drawn]))
    colours = _THEMES[theme]
    mmd = model.info.get("train", {}).get("recipe") == "mmd"
    top, bottom = _ROWS
    middle = _CHIP[1] / 2
    left, centre, right = 40, (_WIDTH - _CHIP[0]) / 2, _WIDTH - 40 - _DIGIT
    digit_y = middle - _DIGIT / 2
    parts = [
        _digit(image[0], left, top + digit_y, "a picture goes in", colours),
        _arrow(left + _DIGIT + 12, centre - 6, top + middle, "encoder", colours),
        _chip(model, written[0], centre, top, colours),
        _arrow(centre + _CHIP[0] + 6, right - 12, top + middle, "decoder", colours),
        _digit(back, right, top + digit_y, "and comes back", colours),
        _words(
            left,
            bottom + middle - 34,
            ["The prior: a Boltzmann", "machine on the chip's", "couplers"],
            colours,
        ),
        _arrow(left + 236, centre - 6, bottom + middle, "sampler", colours),
        _chip(model, drawn[0], centre, bottom, colours),
        _arrow(centre + _CHIP[0] + 6, right - 12, bottom + middle, "decoder", colours),
        _digit(new, right, bottom + digit_y, "a new one comes out", colours),
        _loss(_WIDTH / 2, bottom - 12, "MMD" if mmd else "KL divergence", colours),
        _loss(right + _DIGIT / 2, bottom - 30, "reconstruction loss", colours),
        _loss(left + 112, bottom + middle + 66, "negative log-likelihood", colours),
    ]
    about = (
        f"A picture becomes {model.n_spins} spins on the graph of a quantum chip and comes back; "
        "spins that a classical Gibbs sampler drew from the prior become a new picture."
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="19"><title>{html.escape(about)}</title>'
        + "".join(parts)
        + "</svg>\n"
    )


def _digit(image: torch.Tensor, x: float, y: float, says: str, colours: dict) -> str:
    paper, ink = (np.array(colours[name], dtype=float) for name in ("paper", "ink"))
    shade = image[0].cpu().numpy()[..., None]
    pixels = (paper + (ink - paper) * shade).round().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="png", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<image x="{x:g}" y="{y:g}" width="{_DIGIT}" height="{_DIGIT}" '
        f'href="data:image/png;base64,{data}"/>'
        f'<rect x="{x:g}" y="{y:g}" width="{_DIGIT}" height="{_DIGIT}" rx="8" fill="none" '
        f'stroke="{colours["line"]}" stroke-width="2"/>'
        + _text(x + _DIGIT / 2, y + _DIGIT + 26, says, colours["text"])
    )


def _text(x: float, y: float, text: str, colour: str, anchor: str = "middle") -> str:
    place = f'x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{colour}"'
    return f"<text {place}>{html.escape(text)}</text>"


def _words(x: float, y: float, lines: list[str], colours: dict) -> str:
    return "".join(
        _text(x, y + 25 * k, line, colours["text"], "start") for k, line in enumerate(lines)
    )


def _loss(x: float, y: float, name: str, colours: dict) -> str:
    """A loss as a label with a border of its own."""
    half = 5.4 * len(name)
    return (
        f'<rect x="{x - half:g}" y="{y - 21:g}" width="{2 * half:g}" height="30" rx="15" '
        f'fill="none" stroke="{colours["differ"]}" stroke-width="2"/>'
        + _text(x, y, name, colours["text"]).replace("<text ", '<text font-size="17" ')
    )


def _arrow(x: float, end: float, y: float, says: str, colours: dict) -> str:
    soft = colours["soft"]
    return (
        f'<path d="M{x:g} {y:g}H{end - 12:g}" stroke="{soft}" stroke-width="3"/>'
        f'<path d="M{end - 16:g} {y - 8:g}L{end:g} {y:g}L{end - 16:g} {y + 8:g}Z" fill="{soft}"/>'
        + _text((x + end) / 2, y - 14, says, soft)
    )


def _chip(model: QDVAE, spins: torch.Tensor, x: float, y: float, colours: dict) -> str:
    """Couplers as four paths by sign and size, qubits as circles."""
    width, height = _CHIP
    at = places_of(model.graph) * torch.tensor([width - 20.0, height - 20.0])
    at = (at + torch.tensor([x + 10, y + 10])).tolist()
    place = {q: i for i, q in enumerate(model.graph.nodes)}
    values = model.grbm.quadratic.detach().cpu()
    strong = values.abs().quantile(0.8) if len(values) else values
    paths: dict[tuple[bool, bool], list[str]] = {}
    for (u, v), value in zip(model.graph.edges, values.tolist(), strict=True):
        (ux, uy), (vx, vy) = at[place[u]], at[place[v]]
        line = f"M{ux:.0f} {uy:.0f}L{vx:.0f} {vy:.0f}"
        paths.setdefault((value < 0, abs(value) > float(strong)), []).append(line)
    found = [
        f'<path d="{"".join(lines)}" fill="none" '
        f'stroke="{colours["agree" if alike else "differ"]}" '
        f'stroke-width="{1.4 if big else 0.6}" opacity="{0.8 if big else 0.28}"/>'
        for (alike, big), lines in sorted(paths.items(), key=lambda one: one[0][1])
    ]
    for (px, py), spin in zip(at, spins.tolist(), strict=True):
        colour = colours["up" if spin > 0 else "down"]
        found.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="5.4" fill="{colour}"/>')
    return "".join(found)
