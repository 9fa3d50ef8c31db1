"""Teach a trained decoder what rounds make of its own samples (used in ``06_generating_digits``).

    python -m qdvae_helpers.polish model.safetensors --output polished.safetensors

A prior on a QPU's graph also draws strings that lie close to the codes of no digit; there the
decoder has never been told what to paint.  ``QDVAE.refine`` mends such pictures by sending them
through encoder and decoder a few times, but then they are no samples of the model any more.  Here
the decoder learns to paint, from the prior's string alone, what a *frozen copy* of the model makes
of it in those rounds; on the codes of real images it goes on learning the images.  Encoder and
prior stay as they are, so a sample is again one string of the prior, decoded once.

The copy has to be frozen.  A decoder that learns from its own rounds while it changes them drifts
away within some thousand steps (benchmarks/README.md).
"""

import argparse
import copy
import sys
from pathlib import Path

import torch
from tqdm.auto import tqdm

from qdvae_helpers.checkpoints import load_checkpoint, save_checkpoint
from qdvae_helpers.data import ImageSet, load_images
from qdvae_helpers.errors import DataError, QdvaeError, SettingError, TrainingError
from qdvae_helpers.losses import reconstruction_loss
from qdvae_helpers.models import QDVAE
from qdvae_helpers.samplers import GibbsSampler


def polish(
    model: QDVAE,
    train: ImageSet,
    *,
    steps: int = 900,
    batch_size: int = 256,
    rounds: int = 3,
    weight: float = 0.5,
    learning_rate: float = 5e-4,
    weight_decay: float = 0.1,
    num_chains: int = 512,
    sweeps: int = 10,
    seed: int = 0,
    progress: bool = True,
) -> QDVAE:
    """A copy of the model whose decoder also knows the strings that the prior draws.

    The loss is the reconstruction error on real images plus ``weight`` times the error between what
    the decoder paints from a string of the prior and what the frozen model makes of that string.

    Args:
        model: trained; left as it is.
        train: images that it was trained on.
        steps: gradient steps of the decoder (AdamW, learning rate falling to zero).
        batch_size: real images a step, and strings of the prior a step.
        rounds: of :meth:`QDVAE.refine`.
        weight: of the strings of the prior.
        learning_rate: at its peak, after 50 steps.
        weight_decay: of the decoder.
        num_chains: equilibrated Gibbs chains of the prior, at least ``batch_size``.
        sweeps: between two steps.
        seed: of images, spins, chains and rounds.
        progress: show a bar.

    Returns:
        The copy, in evaluation mode; its ``info`` says how it was polished.

    Raises:
        SettingError: no steps, no rounds, or fewer chains or images than a batch.
        TrainingError: the loss is no longer a number.
    """
    for name, value in {"steps": steps, "batch_size": batch_size, "rounds": rounds}.items():
        if value < 1:
            raise SettingError(f"{name}={value} must be 1 or more.")
    if min(num_chains, len(train.images)) < batch_size:
        raise SettingError(
            f"{num_chains} chains and {len(train.images)} images are too few for a batch of "
            f"{batch_size}: use more of them or a smaller batch_size."
        )
    teacher = copy.deepcopy(model).eval().requires_grad_(False)
    model = copy.deepcopy(model).eval()
    device = model.device
    generator = torch.Generator(device).manual_seed(seed)
    teacher.dvae.latent_to_discrete.generator = generator
    chains = GibbsSampler(teacher.grbm, num_chains, sweeps, seed=seed, graph=teacher.graph)
    chains.burn_in()
    images = train.images.to(device)
    decoder = model.dvae.decoder
    optimizer = torch.optim.AdamW(
        decoder.parameters(), learning_rate, weight_decay=weight_decay, fused=True
    )
    loss = torch.zeros(())
    for step in tqdm(range(steps), disable=not progress, leave=False, unit="step"):
        optimizer.param_groups[0]["lr"] = learning_rate * min(1, (step + 1) / 50, 1 - step / steps)
        with torch.no_grad():
            dreams = chains.sample()[:batch_size]
            painted = teacher.refine(teacher.decode(dreams), rounds, seed=seed + step)
            chosen = torch.randint(len(images), (batch_size,), generator=generator, device=device)
            batch = images[chosen]
            codes = teacher.spins(teacher.encode(batch))
        pixel_logits = decoder(torch.stack([codes, dreams], 1))
        loss = reconstruction_loss(pixel_logits[:, :1], batch)
        loss = loss + weight * reconstruction_loss(pixel_logits[:, 1:], painted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    if not loss.isfinite() or not all(p.isfinite().all() for p in decoder.parameters()):
        raise TrainingError(f"The loss is {float(loss)}: lower learning_rate and start anew.")
    optimizer.zero_grad(set_to_none=True)
    model.info = model.info | {
        "polish": {
            "steps": steps,
            "batch_size": batch_size,
            "rounds": rounds,
            "weight": weight,
            "learning_rate": learning_rate,
            "weight_decay": weight_decay,
            "seed": seed,
            "data": train.source,
            "sampler": chains.provenance.to_dict(),
        }
    }
    return model


def main(arguments: list[str] | None = None) -> int:
    """Polish a checkpoint; exit status 0 when written, 1 on an error."""
    parser = argparse.ArgumentParser(prog="python -m qdvae_helpers.polish", description=__doc__)
    parser.add_argument("model", type=Path, help="checkpoint of a trained model")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--weight", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        model = load_checkpoint(options.model)
        train = load_images("mnist", "train")
        learned = model.info.get("data", "")
        if learned.startswith("MNIST") and not train.source.startswith("MNIST"):
            raise DataError(
                "This model learned MNIST: put it in place (data/README.md), run again."
            )
        if "rounded" in learned:
            train = train.rounded()
        polished = polish(
            model,
            train,
            steps=options.steps,
            rounds=options.rounds,
            weight=options.weight,
            seed=options.seed,
        )
        save_checkpoint(polished, options.output)
    except QdvaeError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Wrote {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
