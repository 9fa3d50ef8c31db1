"""Random numbers of libraries that take no generator, only torch's global ones."""

import contextlib
import threading
from collections.abc import Iterator

import torch

from qdvae_helpers.arguments import require_seed

_TURN = threading.RLock()  # all threads share torch's global random numbers


@contextlib.contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Let torch's global random numbers start from ``seed``, and put them back afterwards.

    Other threads that want the same wait: between their draws, each would get the other's numbers.
    The numbers of ``device`` are put back, too, where it is a GPU.
    """
    seed = require_seed(seed)
    devices = [device] if torch.device(device).type == "cuda" else []
    with _TURN, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
