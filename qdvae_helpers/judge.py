"""A small classifier whose features say how alike two sets of images are (taught in ``08``).

Frechet and kernel distances are usually taken in the features of a network trained on photographs;
for digits a network that knows digits is the better judge, and for garments one that knows those.
``tools/train_judge.py`` trains both; no generative model is ever trained with them.
"""

import os
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from qdvae_helpers.arguments import require_count, require_images
from qdvae_helpers.errors import CheckpointError, SettingError
from qdvae_helpers.formats import Kind, open_tensors
from qdvae_helpers.paths import DATA
from qdvae_helpers.schema import printable

#: The judges that ship, by the data set that each knows.
JUDGES = {
    "mnist": DATA / "pretrained" / "judge.safetensors",
    "fashion-mnist": DATA / "pretrained" / "judge-fashion.safetensors",
}
_KIND = Kind("judge", "", "fetch the original file again", CheckpointError)


class DigitJudge(nn.Module):
    """Images ``(B, 1, H, W)`` in [0, 1], 28 or 32 pixels wide, to features ``(B, 64)``.

    It knows digits, or whichever ten kinds of images it was trained on.
    """

    num_features = 64  # torchmetrics asks for it

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(4),
            nn.Flatten(),
            nn.Linear(64 * 16, self.num_features),
            nn.ReLU(),
        )
        self.classes = nn.Linear(self.num_features, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The features of images; SettingError for what are none."""
        require_images("images", images, least=0, any_size=True, slack=0.01)
        if images.shape[1] != 1 or min(images.shape[2:]) < 4:
            raise SettingError(
                f"images of shape {tuple(images.shape)}: give grey ones (B, 1, H, W), 28 or 32 "
                "pixels wide."
            )
        parts = images.to(self.classes.weight.dtype).split(250)  # the layers need 100 KB per image
        return torch.cat([self.features(part) for part in parts])

    def classify(self, images: torch.Tensor) -> torch.Tensor:
        """The most likely digit (or other label, 0 to 9) of each image, ``(B,)``."""
        return self.classes(self(images)).argmax(1)


def resize(images: torch.Tensor, pixels: int) -> torch.Tensor:
    """Images at another size, as torchvision's ``Resize`` does it (bilinear, antialiased)."""
    require_images("images", images, any_size=True, slack=0.01)
    pixels = require_count("pixels", pixels, most=1_000)
    if images.shape[-1] == pixels:
        return images
    return F.interpolate(images, size=(pixels, pixels), mode="bilinear", antialias=True)


def load_judge(path_or_name: str | Path = "mnist") -> DigitJudge:
    """A judge that ships with the repository, or another of its kind.

    Args:
        path_or_name: ``mnist`` or ``fashion-mnist`` for the judge of that data set, else a file.

    Raises:
        CheckpointError: the file is missing or damaged; the message says how to get it.
    """
    if not isinstance(path_or_name, str | Path):
        raise CheckpointError(f"A judge is a file or one of {', '.join(JUDGES)}.")
    path = Path(JUDGES.get(str(path_or_name), path_or_name))
    if not os.path.isfile(path):
        raise CheckpointError(
            f"{printable(path.name[:80])} is missing: run python tools/train_judge.py, or name a "
            f"judge that ships ({', '.join(JUDGES)})."
        )
    judge = DigitJudge()
    with open_tensors(path, _KIND) as file:
        state = judge.state_dict()
        file.require({name: (torch.float32, own.shape) for name, own in state.items()})
        for name, own in state.items():
            own.copy_(file.read(name))
    return judge.eval().requires_grad_(False)
