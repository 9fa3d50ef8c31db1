"""What decides a training run, apart from model, data and sampler (taught in lesson 05)."""

import math
from dataclasses import dataclass, fields

from qdvae_helpers.arguments import (
    require_count,
    require_flag,
    require_kind,
    require_known,
    require_number,
    require_seed,
)
from qdvae_helpers.errors import SettingError
from qdvae_helpers.profiles import Profile
from qdvae_helpers.samplers import sampler_kind

#: What each recipe needs besides the defaults.  The encoder of ``mmd`` does not heed how quickly
#: the prior can follow, so the prior has to be quick (docs/lab-notes.md).
RECIPE_SETTINGS = {"elbo": {}, "iwae": {"spin_draws": 8}, "mmd": {"prior_learning_rate": 0.03}}
RECIPES = tuple(RECIPE_SETTINGS)
#: The settings that a recipe does not heed.
RECIPE_IGNORES = {
    "elbo": ("mmd_weight",),
    "iwae": ("mmd_weight",),
    "mmd": ("kl_weight", "kl_warm_up"),
}
_DEVICE_PAUSE = 20  # steps from one call of a device to the next
_COUNTS = ("steps", "batch_size", "spin_draws", "sample_every", "report_every")
_MOST_PICTURES = 1_000_000  # decoded in a step
_ABOVE_ZERO = ("learning_rate", "prior_learning_rate")
_MOST_REPORTS = 5_000


@dataclass(frozen=True)
class TrainConfig:
    """What decides a run, apart from model, data and sampler; SettingError if impossible."""

    recipe: str = "elbo"  #: ``elbo``, ``iwae`` or ``mmd``
    steps: int = 4_000  #: gradient steps
    batch_size: int = 256  #: images per step
    learning_rate: float = 2e-3  #: of encoder and decoder (AdamW), after warm-up, before decay
    prior_learning_rate: float = 5e-3  #: of the Boltzmann machine (AdamW), likewise
    weight_decay: float = 0.1  #: of encoder and decoder, against learning images by heart
    warm_up: float = 0.05  #: fraction of the steps in which the learning rates rise linearly
    kl_weight: float = 1.0  #: weight of the divergence (``elbo``, ``iwae``)
    kl_warm_up: int = 200  #: steps in which that weight rises linearly from 0
    mmd_weight: float = 200.0  #: weight of the MMD (``mmd``), in nats
    binarise: bool = False  #: draw every pixel as 0 or 1 anew at each step, grey as probability
    spin_draws: int = 1  #: spin strings drawn for each image in each step
    decoder_steps: int = 0  #: the last steps, in which only the decoder learns, from true spins
    sample_every: int = 1  #: draw new spins from the prior every so many steps
    seed: int = 0  #: of the order of images, the spins, and the chains
    report_every: int = 200  #: steps between two reports (validation, checkpoint)

    def __post_init__(self) -> None:
        if not isinstance(self.recipe, str) or self.recipe not in RECIPES:
            raise SettingError(
                f"There is no recipe {self.recipe!r}: choose one of {', '.join(RECIPES)}."
            )
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            if name == "seed":
                value = require_seed(value)
            elif field.type is bool:
                value = require_flag(name, value)
            elif field.type is int:
                value = require_count(name, value, 1 if name in _COUNTS else 0)
            elif field.type is float:
                above = 0 if name in _ABOVE_ZERO else -math.inf
                value = require_number(name, value, least=0, above=above)
            object.__setattr__(self, name, value)  # as Python's own numbers, for files
        if (pictures := self.batch_size * self.spin_draws) > _MOST_PICTURES:
            raise SettingError(
                f"batch_size={self.batch_size:,} with spin_draws={self.spin_draws:,} makes "
                f"{pictures:,} pictures per step: choose {_MOST_PICTURES:,} or fewer."
            )
        if self.recipe == "mmd" and pictures == 1:
            raise SettingError(
                "One string per step has no discrepancy from others: choose batch_size=2 or more "
                "for the recipe mmd."
            )
        if self.recipe == "iwae" and self.spin_draws == 1:
            raise SettingError(
                "One draw is no importance weighting: choose spin_draws=2 or more, or recipe elbo."
            )
        if self.steps > _MOST_REPORTS * self.report_every:  # they stand in the header of a file
            raise SettingError(
                f"steps={self.steps:,} with report_every={self.report_every} make more than "
                f"{_MOST_REPORTS:,} reports: choose a larger report_every."
            )
        if self.decoder_steps >= self.steps:
            raise SettingError(
                f"decoder_steps={self.decoder_steps} are the last of steps={self.steps}: leave "
                "steps for the whole model, too."
            )
        if self.warm_up > 1:
            raise SettingError(f"warm_up={self.warm_up} is a fraction of the steps: choose 0 to 1.")

    @property
    def whole_steps(self) -> int:
        """The steps in which the whole model learns: all but the decoder's last ones."""
        return self.steps - self.decoder_steps

    @classmethod
    def for_profile(cls, profile: Profile, sampler: str = "gibbs", **changes) -> "TrainConfig":
        """The settings of a profile, with single values changed by name.

        Two follow the number of steps where they are not given themselves: there are 14 reports,
        and the weight of the divergence rises in the first fifth of the steps, in 200 at most.
        A recipe adds its own, see ``RECIPE_SETTINGS``.  A ``sampler`` other than ``gibbs`` is asked
        at every 20th step only: a call takes as long as many steps, and a QPU's is paid for.

        Raises:
            SettingError: no such setting or sampler, or a value that is impossible.
        """
        require_kind("profile", profile, Profile)
        require_known("TrainConfig", changes, (setting.name for setting in fields(cls)))
        sampler = sampler_kind(sampler)
        steps = require_count("steps", changes.get("steps", profile.steps))
        settings = {
            "steps": steps,
            "batch_size": profile.batch_size,
            "report_every": math.ceil(steps / 14),
            "kl_warm_up": min(200, max(1, steps // 5)),
            "sample_every": 1 if sampler == "gibbs" else _DEVICE_PAUSE,
        }
        settings |= RECIPE_SETTINGS.get(changes.get("recipe"), {})
        return cls(**(settings | changes))
