"""The classical reference with the shipped model's budget: a Gaussian VAE and a fitted mixture.

    python benchmarks/gaussian.py [--steps 16000] [--write]

The same hidden layers, rounded images, batches, steps, learning rate, weight decay, KL weight and
warm-up as ``qdvae-256``; 32 numbers per code.  Measured on rounded test images: reconstruction and
KL on all of them, the importance-weighted log-likelihood of 1,000 drawn at random, and the Frechet
distance of 2,000 generated images from all, with codes from the standard normal and from mixtures
of 20 and of 250 Gaussians that were fitted to the codes of training images (250: as many as the
shipped model has classes); then the shipped model by the same measures.  About a quarter of an
hour.  ``classes.py`` has a Gaussian VAE whose mixture learns along.
"""

import argparse
import math
import statistics
import sys

import torch
from common import gaussian_vae, tables
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits
from torch.nn.functional import softplus

from qdvae_helpers.checkpoints import load_pretrained
from qdvae_helpers.data import held_out_sample, load_images
from qdvae_helpers.evaluate import quality
from qdvae_helpers.judge import DigitJudge, load_judge
from qdvae_helpers.likelihood import class_partition_functions, log_likelihood
from qdvae_helpers.losses import gaussian_kl, reconstruction_loss
from qdvae_helpers.models import GaussianVAE
from qdvae_helpers.profiles import PROFILES
from qdvae_helpers.training import TrainConfig


@torch.no_grad()
def bound(model: GaussianVAE, image: torch.Tensor, draws: int = 500) -> float:
    """Importance-weighted bound on the log-likelihood of one image, in nats."""
    mean, log_variance = model.encode(image.unsqueeze(0))
    noise = torch.randn(draws, model.n_latent)
    z = mean + (log_variance / 2).exp() * noise
    pixel_logits = model.decoder(z).flatten(1)
    log_p = (image.flatten() * pixel_logits - softplus(pixel_logits)).sum(1)
    log_prior, log_q = -z.square().sum(1) / 2, -(noise.square() + log_variance).sum(1) / 2
    return float(torch.logsumexp(log_p + log_prior - log_q, 0)) - math.log(draws)


def score(draws: list[torch.Tensor], real: torch.Tensor, judge: DigitJudge) -> list[str]:
    """Distance of rounded images with its spread over several draws, and coverage."""
    found = [quality(images.round(), real, judge) for images in draws]
    distances = [q.frechet for q in found]
    coverage = statistics.mean(q.coverage for q in found)
    spread = statistics.stdev(distances)
    return [f"{statistics.mean(distances):.1f} ± {spread:.1f}", f"{coverage:.2f}"]


@torch.no_grad()
def main() -> int:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=PROFILES["full"].steps)
    parser.add_argument("--seed", type=int, default=0)
    tables.add_write_option(parser)
    options = parser.parse_args()
    train = load_images().rounded()
    test = held_out_sample(None).rounded()
    real, few = test.images, test.images[:1_000]  # a random thousand: all are in random order
    judge = load_judge()
    profile = PROFILES["full"]
    config = TrainConfig.for_profile(profile, steps=options.steps, seed=options.seed)
    with torch.enable_grad():
        model, _ = gaussian_vae.trained(train.images, config, profile.hidden)

    mean, log_variance = model.encode(real)
    codes = model.codes(mean, log_variance)
    reconstruction = float(reconstruction_loss(model.decoder(codes).unsqueeze(1), real))
    divergence = float(gaussian_kl(mean, log_variance))
    nats = [bound(model, image) for image in few]
    error = statistics.stdev(nats) / math.sqrt(len(nats))
    drawn = [model.generate(2_000, seed=seed) for seed in range(3)]
    likelihood = f"{statistics.mean(nats):.1f} ± {error:.1f}"
    rows = [["Gaussian VAE, standard normal", likelihood, *score(drawn, real, judge)]]

    codes = model.codes(*model.encode(train.sample(10_000).images)).double().numpy()
    # A full covariance each for 20; for 250 of them the codes are too few.
    for k, shape in ((20, "full"), (250, "diag")):
        drawn = []
        for seed in range(3):
            with threadpool_limits(1):
                mixture = GaussianMixture(k, covariance_type=shape, reg_covar=1e-3)
                mixture.set_params(random_state=seed).fit(codes)
            drawn.append(model.decode(torch.tensor(mixture.sample(2_000)[0]).float()))
        name = f"the same, mixture of {k} Gaussians ({shape}) fitted afterwards"
        rows.append([name, "", *score(drawn, real, judge)])

    shipped = load_pretrained()
    log_z = class_partition_functions(shipped.grbm, graph=shipped.graph)
    found = log_likelihood(shipped, few, [one.value for one in log_z])
    drawn = [shipped.generate(2_000, seed=seed) for seed in range(3)]
    likelihood = f"{found.value:.1f} ± {found.error:.1f}"
    rows.append(["`qdvae-256`", likelihood, *score(drawn, real, judge)])

    columns = ["model and prior", "log-likelihood (nats)", "Frechet, 28 rounded", "coverage"]
    lines = tables.markdown(columns, rows)
    lines += tables.note(
        f"{options.steps:,} steps, one training; its reconstruction and KL on all test images: "
        f"{reconstruction:.1f} and {divergence:.1f} nats."
    )
    print("\n".join(lines))
    if options.write:
        tables.to_readme("gaussian", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
