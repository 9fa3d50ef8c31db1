"""Random numbers of libraries that take no generator, only torch's global ones."""

import contextlib
import threading
from collections.abc import Iterator

import torch

# All threads share torch's global random numbers.
_TURN = threading.RLock()


@contextlib.contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Let torch's global random numbers start from ``seed``, and put them back afterwards.

    Other threads that want the same wait: between their draws, each would get the other's numbers.

    Args:
        seed: of all devices.
        device: whose random numbers are put back besides the CPU's, where it is a GPU.
    """
    device = torch.device(device)
    devices = [device] if device.type == "cuda" else []
    with _TURN, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
