"""The stage in a notebook or in the studio, with its state shared with Python."""

from pathlib import Path

import anywidget
import torch
import traitlets

from qdvae_helpers.arguments import (
    require_images,
    require_kind,
    require_number,
    require_seed,
)
from qdvae_helpers.errors import SettingError
from qdvae_helpers.models import QDVAE
from qdvae_helpers.networks import IMAGE_SHAPE
from qdvae_helpers.widgets.stage.data import stage_bytes
from qdvae_helpers.widgets.stage.page import SOURCE
from qdvae_helpers.widgets.wishes import label_names

# The page sends memory views, which a trait of bytes refuses.
_AS_BYTES = {"sync": True, "from_json": lambda value, _: bytes(value)}
MODES = ("watch", "encode", "steer", "compare")


class Stage(anywidget.AnyWidget):
    """A trained model at work in the browser; runs without the kernel once it is shown.

    Args:
        model: a trained one; copied into the page, so later changes of it are not seen.
        mode: ``watch`` (new pictures stream), ``encode`` (a picture becomes spins), ``steer``
            (wishes, held qubits, half a picture completed), or ``compare`` (couplings on and off).
        seed: of the page's random numbers.

    ``mode``, ``wish``, ``temperature``, ``coupled`` and ``playing`` are what the person sees and
    changes, and may be set from here, too; :attr:`image` and :attr:`spins` come from the page.

    Raises:
        SettingError: no trained model, or a wish that it does not know.
    """

    _esm = Path(SOURCE)
    _file = traitlets.Bytes().tag(sync=True)
    _image = traitlets.Bytes().tag(sync=True)
    _drawn = traitlets.Bytes().tag(**_AS_BYTES)
    _spins = traitlets.Bytes().tag(**_AS_BYTES)
    _seed = traitlets.Int(0).tag(sync=True)
    mode = traitlets.Enum(MODES, default_value="watch").tag(sync=True)
    wish = traitlets.Unicode("").tag(sync=True)
    temperature = traitlets.Float(1.0).tag(sync=True)
    coupled = traitlets.Bool(True).tag(sync=True)
    playing = traitlets.Bool(True).tag(sync=True)

    def __init__(self, model: QDVAE, *, mode: str = "watch", seed: int = 0) -> None:
        if mode not in MODES:
            raise SettingError(f"mode={mode!r}: choose one of {', '.join(MODES)}.")
        require_kind("model", model, QDVAE)
        self._wishes = ("", *label_names(model.class_names, model.info))
        super().__init__(
            _file=stage_bytes(model),
            mode=mode,
            _seed=require_seed(seed) % 2**31,
            layout={"width": "100%"},  # it has no width of its own
        )

    @traitlets.validate("wish")
    def _known_wish(self, proposal: dict) -> str:
        if proposal["value"] not in self._wishes:
            known = ", ".join(self._wishes[1:]) or "none, since this model knows no labels"
            raise SettingError(
                f"wish={proposal['value']!r}: choose one of {known}, or an empty text for any."
            )
        return proposal["value"]

    @traitlets.validate("temperature")
    def _warm(self, proposal: dict) -> float:
        return require_number("temperature", proposal["value"], above=0, most=100)

    @property
    def image(self) -> torch.Tensor | None:
        """The picture ``(1, 28, 28)`` that went in last; setting it shows it."""
        if not self._drawn:
            return None
        values = torch.frombuffer(bytearray(self._drawn), dtype=torch.uint8)
        return values.reshape(IMAGE_SHAPE).float() / 255

    @image.setter
    def image(self, image: torch.Tensor) -> None:
        alone = (
            image.unsqueeze(0) if isinstance(image, torch.Tensor) and image.dim() == 3 else image
        )
        if len(require_images("image", alone)) != 1:
            raise SettingError(f"image: {len(alone)} images, where one is shown: give one of them.")
        if self.mode not in ("encode", "steer"):
            self.mode = "encode"
        self._image = b""  # so that the same picture is sent again
        pixels = (alone * 255).round().to(torch.uint8).flatten()
        self._drawn = self._image = bytes(pixels.tolist())

    @property
    def spins(self) -> torch.Tensor | None:
        """The spins ``(n,)`` on the chip, -1 and +1, when the page last told of them."""
        if not self._spins:
            return None
        return torch.frombuffer(bytearray(self._spins), dtype=torch.int8).float()
