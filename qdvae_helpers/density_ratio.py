"""Choosing among the prior's strings (taught in ``06_generating_digits``).

Couplings of a QPU's graph cannot express everything about the strings that an encoder writes.  A
classifier that tells the encoder's strings (their distribution over all images is q) from the
prior's (p) sees what is missing: its logit estimates ``log q(s) / p(s)``.  Drawing several strings
from p and keeping one in proportion to ``q(s) / p(s)`` brings p closer to q.  The prior stays what
a QPU can sample; the classifier and the choice are classical.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn
from tqdm.auto import tqdm

from qdvae_helpers.errors import SettingError


class DensityRatio(nn.Module):
    """A network whose answer estimates ``log q(s) / p(s)`` for spins ``(..., n)``, in nats.

    It is the logit of a classifier that saw as many strings of q (encoded images) as of p (the
    prior's samples at inverse temperature 1), see Sugiyama, Suzuki and Kanamori 2012, *Density
    Ratio Estimation in Machine Learning*, chapter 4.
    """

    def __init__(self, n_spins: int) -> None:
        super().__init__()
        width = 512
        self.net = nn.Sequential(
            nn.Linear(n_spins, width),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(width, 1),
        )

    def forward(self, spins: torch.Tensor) -> torch.Tensor:
        """One number a string: ``(..., n)`` to ``(...)``."""
        return self.net(spins).squeeze(-1)


def fit_density_ratio(
    draw_encoded: Callable[[int], torch.Tensor],
    draw_prior: Callable[[int], torch.Tensor],
    n_spins: int,
    *,
    steps: int = 3_000,
    batch_size: int = 1_000,
    learning_rate: float = 1e-3,
    progress: bool = True,
) -> DensityRatio:
    """Teach a classifier to tell the encoder's strings from the prior's.

    :meth:`QDVAE.fit_ratio <qdvae_helpers.models.QDVAE.fit_ratio>` calls it with both.  The
    network's start and its dropout follow torch's global random numbers.

    Args:
        draw_encoded, draw_prior: give so many strings ``(N, n)``, new ones at every call.
        n_spins: length of a string.
        steps: gradient steps.
        batch_size: strings of each kind a step.
        learning_rate: peak (AdamW): linear rise in a tenth of the steps, 100 at most, then half a
            cosine to zero.
        progress: show a progress bar.

    Returns:
        The classifier, in evaluation mode, on the device of the strings.
    """
    if steps < 1 or batch_size < 1:
        raise SettingError(f"steps={steps} and batch_size={batch_size} must both be 1 or more.")
    prior = draw_prior(batch_size)
    ratio = DensityRatio(n_spins).to(prior.device)
    optimizer = torch.optim.AdamW(ratio.parameters(), learning_rate, weight_decay=0.1, fused=True)
    rise = min(100, max(1, steps // 10))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1.0, (step + 1) / rise) * (1 + math.cos(math.pi * step / steps)) / 2,
    )
    for step in tqdm(range(steps), disable=not progress, leave=False, unit="step"):
        encoded = draw_encoded(batch_size)
        prior = draw_prior(batch_size) if step else prior
        answers = ratio(torch.cat([encoded, prior]))
        of_encoded, of_prior = answers.split([len(encoded), len(prior)])
        loss = F.softplus(-of_encoded).mean() + F.softplus(of_prior).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return ratio.eval().requires_grad_(False)


@torch.no_grad()
def choose(
    candidates: torch.Tensor, ratio: DensityRatio, generator: torch.Generator | None = None
) -> torch.Tensor:
    """One of K strings in each place, with probabilities in proportion to ``q(s) / p(s)``.

    Sampling-importance resampling (Rubin 1988): with more candidates what is kept comes closer to
    q, as far as the ratio is right and p has strings like those of q at all.  Priors of variational
    autoencoders that are reweighted by such a classifier: Aneja and others 2020 (arXiv:2010.02917).

    Args:
        candidates: ``(K, N, n)`` samples of the prior, those of one place independent; the result
            has the shape ``(N, n)``.
        ratio: see :class:`DensityRatio`; any function of strings ``(N, n)`` with answers ``(N,)``.
        generator: of the choice; torch's global one if left out.

    Raises:
        SettingError: the ratio's answers have another shape.
    """
    log_ratio = torch.stack([ratio(part) for part in candidates])
    if log_ratio.shape != candidates.shape[:2]:
        raise SettingError(
            f"For candidates of shape {tuple(candidates.shape)} the ratio gave answers of shape "
            f"{tuple(log_ratio.shape)}: give one number a string, for example with squeeze(-1)."
        )
    chosen = torch.multinomial(log_ratio.softmax(0).T, 1, generator=generator).squeeze(1)
    return candidates[chosen, torch.arange(len(chosen), device=chosen.device)]


@torch.no_grad()
def divergence_bound(ratio: DensityRatio, encoded: torch.Tensor, prior: torch.Tensor) -> float:
    """Estimate of a lower bound of the divergence ``KL(q || p)``, in nats.

    ``E_q[log r] - log E_p[r]`` is at most the divergence whatever r is, and equal to it for
    ``r = q / p`` (Donsker and Varadhan 1975).  Few strings of p make the estimate too large.

    Args:
        ratio: see :class:`DensityRatio`.
        encoded, prior: ``(M, n)`` strings of q and ``(L, n)`` of p that it was not fitted to.
    """
    of_prior = torch.logsumexp(ratio(prior), 0) - math.log(len(prior))
    return float(ratio(encoded).mean() - of_prior)
