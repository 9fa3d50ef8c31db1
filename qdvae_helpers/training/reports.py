"""What a training run tells of its model's health (taught in lesson 05).

A report has the measures of :func:`make_report`, the sampler's own, and the parts of the last
step's loss (``loss``, ``loss_kl`` and so on, see :class:`~qdvae_helpers.training.Objective`).
Reports of older runs lack these parts.
"""

import torch

from qdvae_helpers.data import ImageSet
from qdvae_helpers.evaluate import dead_spins, energy_decorrelation, moment_gap
from qdvae_helpers.likelihood import binarise
from qdvae_helpers.losses import encoder_entropy, reconstruction_loss
from qdvae_helpers.models import QDVAE
from qdvae_helpers.samplers.mixing import HARDLY_MIXED

_PROBE = 1_000  # images that a report looks at


def probe(images: ImageSet, binarised: bool, device: torch.device) -> torch.Tensor:
    """The images that all reports of a run look at: 1,000 drawn at random, always the same ones.

    Bent copies are left out.  With ``binarised`` grey pixels are drawn black or white.
    """
    images.require_valid()
    originals = images.first(images.source.count)  # copies come after them
    chosen = originals.sample(min(_PROBE, len(originals))).images.to(device)
    return binarise(chosen) if binarised else chosen


@torch.no_grad()
def make_report(
    model: QDVAE,
    *,
    trained_on: torch.Tensor,
    held_out: torch.Tensor | None,
    prior_spins: torch.Tensor,
    previous_spins: torch.Tensor | None,
    prior_classes: torch.Tensor | None = None,
    generator: torch.Generator | None,
) -> dict[str, float]:
    """Measure a model where it stands, and leave it in evaluation mode.

    Args:
        trained_on, held_out: images ``(B, 1, 28, 28)``, see :func:`probe`.
        prior_spins, previous_spins: ``(M, n)``, the prior's last samples, and those before.
        prior_classes: ``(M,)``, of both, where the prior knows several.
    """
    model.eval()

    def look_at(images: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Logits, and the reconstruction error with true spins, in nats."""
        logits, _, pixel_logits = model(images, generator=generator)
        return logits, float(reconstruction_loss(pixel_logits, images))

    report = {}
    logits, report["reconstruction"] = look_at(trained_on)
    if held_out is not None:
        logits, report["validation"] = look_at(held_out)
    report["entropy"] = float(encoder_entropy(logits))
    report["dead_spins"] = dead_spins(logits)
    couplings = model.grbm.quadratic
    report["coupling_rms"] = float(couplings.square().mean().sqrt()) if len(couplings) else 0.0
    report["moment_gap"] = moment_gap(model.grbm, logits, prior_spins, prior_classes)
    before = prior_spins if previous_spins is None else previous_spins
    report["energy_decorrelation"] = energy_decorrelation(
        model.grbm, before, prior_spins, prior_classes
    )
    return report


def hardly_mixes(report: dict) -> bool:
    """Whether the sampler's chains stay where they are, see ``GibbsSampler.mixing``."""
    return report.get("mixing", 1.0) < HARDLY_MIXED


def format_report(report: dict) -> str:
    """A report as one line of text; ``mixing`` only where it is a warning."""
    text = (
        f"step {report['step']:>6,} | {report['seconds']:5.0f} s | reconstruction "
        f"{report['reconstruction']:6.1f} nats"
    )
    if "validation" in report:
        text += f" (held out {report['validation']:6.1f})"
    return (
        text
        + (
            f" | entropy {report['entropy']:5.1f} | dead spins {report['dead_spins']:3d} | "
            f"|J| {report['coupling_rms']:.3f} | moment gap {report['moment_gap']:.3f} | "
            f"decorrelation {report['energy_decorrelation']:4.0%}"
        )
        + (f" | hardly mixing {report['mixing']:.2f}" if hardly_mixes(report) else "")
    )
