"""What changes from step to step, as functions of the step alone (taught in lesson 05)."""

import functools
import math

import torch

from qdvae_helpers.arguments import SEEDS


def learning_rate_share(
    step: int, *, steps: int, warm_up: float = 0.05, decoder_steps: int = 0
) -> float:
    """Learning rate as a share of its peak: linear rise, then half a cosine to zero.

    It rises in the share ``warm_up`` of the steps.  The last ``decoder_steps``, in which only the
    decoder learns, have a rise and a fall of their own, up to half the peak.
    """
    peak, steps = 1.0, steps - decoder_steps
    if step >= steps:
        step, steps, peak = step - steps, decoder_steps, 0.5
    warm = max(1.0, warm_up * steps)
    if step < warm:
        return peak * min(1.0, (step + 1) / warm)
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def kl_weight(step: int, *, weight: float = 1.0, rise: int = 200) -> float:
    """Weight of the divergence: linear rise from 0 in the first ``rise`` steps.

    A number of steps, not a share of the run: with thousands of cheap steps the encoder settles on
    a nearly deterministic code that no prior on this graph can imitate.
    """
    return weight * min(1.0, (step + 1) / max(1, rise))


def calls_left(step: int, *, whole_steps: int, sample_every: int) -> int:
    """How many of the steps from ``step`` on, in which the prior learns, draw new spins from it."""
    done, all_of_them = (math.ceil(n / sample_every) for n in (step, whole_steps))
    return max(0, all_of_them - done)


def batch_rows(
    step: int, *, n_images: int, batch_size: int, seed: int, rank: int = 0, processes: int = 1
) -> torch.Tensor:
    """Rows of the images of a step; every epoch has a shuffle of its own, and whole batches only.

    ``batch_size`` counts the images of all ``processes`` together, ``rank`` says whose share.
    """
    epoch, position = divmod(step, n_images // batch_size)
    first = position * batch_size
    return _order(n_images, seed, epoch)[first : first + batch_size][rank::processes]


@functools.lru_cache(maxsize=4)
def _order(n_images: int, seed: int, epoch: int) -> torch.Tensor:
    shuffle = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % SEEDS)
    return torch.randperm(n_images, generator=shuffle)


def seed_of_process(seed: int, rank: int) -> int:
    """A seed of its own for each process; the first one keeps the run's."""
    return (seed + 1_000_003 * rank) % SEEDS
