"""What the prior costs in a training step.

    python benchmarks/training.py [--device cuda] [--write]

Takes in turns, with the lesson profile's network and batch: a whole step of the recipe ``elbo``
with its sampling, and a step of the same network without any prior (reconstruction alone).  Beside
them the sampling alone, and the energies of a batch with their gradient, as the plugin computes
them and as ``mean_energy`` does.  Run it on an idle machine; half a minute.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
from common import tables

from qdvae_helpers.data import ImageSet
from qdvae_helpers.graphs import densest_subgraph, ideal_graph
from qdvae_helpers.losses import mean_energy, reconstruction_loss
from qdvae_helpers.models import QDVAE
from qdvae_helpers.profiles import PROFILES
from qdvae_helpers.samplers import GibbsSampler
from qdvae_helpers.training import TrainConfig, fit

PROFILE = PROFILES["lesson"]
PLAIN = "step of the same network without any prior"
_WARM_UP = 3  # repetitions


def finish_work(device: torch.device) -> None:
    """Wait for what a GPU has only queued."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def alternatives(model: QDVAE, images: torch.Tensor) -> dict[str, Callable[[], object]]:
    """The functions whose times stand beside that of a whole step."""
    device, rows = model.device, PROFILE.batch_size
    plain = QDVAE(model.graph, PROFILE.hidden).to(device).train()
    optimizer = torch.optim.AdamW(plain.dvae.parameters(), fused=True)
    images = images.to(device)

    def without_prior() -> None:
        batch = images[torch.randint(len(images), (rows,), device=device)]
        loss = reconstruction_loss(plain(batch)[2], batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    chains, sweeps = PROFILE.num_samples, PROFILE.sweeps
    sampler = GibbsSampler(plain.grbm, chains, sweeps, graph=plain.graph)
    spins = torch.rand(rows, plain.n_spins, device=device, requires_grad=True)
    return {
        PLAIN: without_prior,
        f"sampling alone ({chains} chains, {sweeps} sweeps)": sampler.sample,
        "energies and gradient, plugin": lambda: plain.grbm(spins).mean().backward(),
        "energies and gradient, ours (`mean_energy`)": lambda: mean_energy(
            plain.grbm, spins
        ).backward(),
    }


def seconds_of_a_step(n_spins: int, repetitions: int, device: torch.device) -> dict[str, float]:
    """Median seconds by name; all take turns, so that a disturbance hits all alike."""
    torch.manual_seed(0)
    images = torch.rand(2_560, 1, 28, 28).round()
    model = QDVAE(densest_subgraph(ideal_graph(), n_spins), PROFILE.hidden).to(device)
    runs = alternatives(model, images)
    whole = "step with prior and sampling"
    times: dict[str, list[float]] = {name: [] for name in (whole, *runs)}

    def note(name: str, began: float) -> None:
        finish_work(device)
        times[name].append(time.perf_counter() - began)

    began = time.perf_counter()

    def between_two_steps() -> bool:
        nonlocal began
        note(whole, began)
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            note(name, start)
        began = time.perf_counter()
        return False

    steps = repetitions + _WARM_UP
    config = TrainConfig.for_profile(PROFILE, steps=steps, report_every=steps)
    sampler = GibbsSampler(model.grbm, PROFILE.num_samples, PROFILE.sweeps, graph=model.graph)
    fit(
        model,
        ImageSet.from_array(images, name="random images"),
        config,
        sampler=sampler,
        should_stop=between_two_steps,
        progress=False,
    )
    return {name: statistics.median(values[_WARM_UP:]) for name, values in times.items()}


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spins", type=int, default=PROFILE.n_spins)
    parser.add_argument("--repetitions", type=int, default=60)
    parser.add_argument("--device", default="cpu")
    tables.add_write_option(parser)
    options = parser.parse_args()
    device = torch.device(options.device)
    times = seconds_of_a_step(options.spins, options.repetitions, device)
    rows = [
        [name, f"{1e3 * seconds:.2f} ms", f"{seconds / times[PLAIN]:.2f}"]
        for name, seconds in times.items()
    ]
    lines = tables.markdown(["", "median", "relative to no prior"], rows)
    made_with = tables.made_with(torch.get_num_threads())
    if device.type == "cuda":
        made_with = f"{torch.cuda.get_device_name(device)}, {made_with}"
    lines += tables.note(f"{options.spins} spins, batches of {PROFILE.batch_size}; {made_with}.")
    print("\n".join(lines))
    if options.write:
        tables.to_readme("training", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
