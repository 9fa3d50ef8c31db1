"""What the benchmarks of all circuits need: images of some digits, a linear rival, CPU seconds."""

import time
from collections.abc import Callable

import torch
from sklearn.linear_model import LogisticRegression

from qdvae_helpers.data import ImageSet

Row = tuple[str, list[float], str]  # name, one accuracy a seed, remark


def only(images: ImageSet, digits: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and labels of some digits."""
    chosen = torch.isin(images.labels, torch.tensor(digits))
    return images.images[chosen], images.labels[chosen]


def logistic(x: torch.Tensor, y: torch.Tensor, x_test: torch.Tensor, y_test: torch.Tensor) -> float:
    """Accuracy of logistic regression."""
    return LogisticRegression(max_iter=2_000).fit(x, y).score(x_test, y_test)


def seconds_of(work: Callable[[], object]) -> float:
    """CPU seconds."""
    began = time.process_time()
    work()
    return time.process_time() - began
