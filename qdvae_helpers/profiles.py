"""How much work the lessons do, by the environment variable ``QDVAE_PROFILE``.

On two cores: ``fast`` (does every cell run?) takes seconds a notebook, ``lesson`` (the default, for
reading and workshops) minutes, ``full`` (the model qdvae-256) ten minutes and more.
"""

import os
from dataclasses import dataclass

from qdvae_helpers.errors import SettingError


@dataclass(frozen=True)
class Profile:
    """What one profile changes.  Counts are whole numbers; ``None`` means all there are."""

    name: str
    train_images: int | None  #: images used for training
    test_images: int | None  #: held-out images used for validation
    n_spins: int  #: latent spins, one per qubit
    hidden: tuple[int, ...]  #: widths of the encoder's hidden layers (mirrored in the decoder)
    steps: int  #: gradient steps
    batch_size: int  #: images per step
    num_samples: int  #: persistent Markov chains of the prior
    sweeps: int  #: Gibbs sweeps of every chain between two gradient steps
    n_classes: int  #: clusters whose biases the prior learns, where classes are asked for
    n_generate: int  #: images generated where a lesson measures something


PROFILES = {
    "fast": Profile("fast", 2_000, 500, 64, (128,), 60, 100, 64, 3, 10, 64),
    "lesson": Profile("lesson", None, 2_000, 256, (512, 512), 3_200, 256, 512, 10, 100, 500),
    "full": Profile("full", None, None, 256, (512, 512), 16_000, 256, 512, 10, 100, 2_000),
}


def current_profile() -> Profile:
    """The profile named by ``QDVAE_PROFILE``, or ``lesson`` where that is unset or empty.

    Raises:
        SettingError: if the name is not in the table.
    """
    name = os.environ.get("QDVAE_PROFILE") or "lesson"
    if name not in PROFILES:
        raise SettingError(
            f"QDVAE_PROFILE={name!r} is not a profile: choose one of {', '.join(PROFILES)}, "
            "or unset the variable to get 'lesson'."
        )
    return PROFILES[name]
