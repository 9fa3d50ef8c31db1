"""What the prior costs in a training step, and the package at import.

    python benchmarks/training.py [--device cuda]

Takes in turns, with the lesson profile's network and batch: a whole step with its sampling (the
ELBO recipe), and a step of the same network without any prior (reconstruction alone).  Beside them,
the energies of a batch as the plugin computes them and as ``mean_energy`` does, and on a GPU the
sampling without the captured graph.  Then the time of ``import torch`` against importing all that a
lesson uses.  Run it on an idle machine.
"""

import argparse
import statistics
import subprocess
import sys
import time

import numpy as np
import torch

from qdvae_helpers.data import ImageSet
from qdvae_helpers.graphs import densest_subgraph, working_graph
from qdvae_helpers.losses import mean_energy, reconstruction_loss
from qdvae_helpers.models import QDVAE
from qdvae_helpers.profiles import PROFILES
from qdvae_helpers.samplers import make_sampler
from qdvae_helpers.train import pick_device
from qdvae_helpers.training import TrainConfig, _Trainer

_IMPORTS = {
    "import torch": "import torch",
    "and the plugin": "import torch, dwave.plugins.torch.models, dwave.plugins.torch.samplers",
    "and this package": (
        "import torch, dwave.plugins.torch.models, dwave.plugins.torch.samplers, "
        "qdvae_helpers.training, qdvae_helpers.plots"
    ),
}


def in_turns(runs: dict, repetitions: int, device: torch.device) -> dict[str, float]:
    """Median seconds of each function; all take turns, so a disturbance hits all alike."""

    def wait() -> None:
        if device.type == "cuda":  # work is only queued there
            torch.cuda.synchronize(device)
        elif device.type == "mps":
            torch.mps.synchronize()

    times: dict[str, list[float]] = {name: [] for name in runs}
    for repetition in range(repetitions + 3):  # the first three only warm up
        for name, run in runs.items():
            wait()
            began = time.perf_counter()
            run()
            wait()
            if repetition >= 3:
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in times.items()}


def training_steps(n_spins: int, device: torch.device) -> dict:
    """The functions whose times are compared."""
    profile = PROFILES["lesson"]
    graph = densest_subgraph(working_graph("ideal"), n_spins)
    torch.manual_seed(0)
    images = torch.rand(2_560, 1, 28, 28).round().to(device)
    random_images = ImageSet(images, torch.zeros(len(images)), "random images")

    model = QDVAE(graph, profile.hidden).to(device)
    sampler = make_sampler(
        model.grbm, "gibbs", num_samples=profile.num_chains, sweeps=profile.sweeps, graph=graph
    )
    config = TrainConfig.for_profile(profile)
    trainer = _Trainer(model, random_images, config, None, sampler, None)

    plain = QDVAE(graph, profile.hidden).to(device).train()
    optimizer = torch.optim.Adam(plain.dvae.parameters(), fused=True)
    size = (profile.batch_size,)
    batches = iter(lambda: torch.randint(len(images), size, device=device), None)

    def without_prior() -> None:
        batch = images[next(batches)]
        loss = reconstruction_loss(plain.dvae(batch, 1)[2], batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    spins = torch.rand(profile.batch_size, n_spins, device=device, requires_grad=True)
    runs = {
        "step with prior and sampling": trainer.advance,
        "step without any prior": without_prior,
        "sampling alone": sampler.sample,
        "energies and gradient, plugin": lambda: model.grbm(spins).mean().backward(),
        "energies and gradient, ours": lambda: mean_energy(model.grbm, spins).backward(),
    }
    if device.type == "cuda":
        betas = np.ones(profile.sweeps)
        runs["sampling alone, operations launched one by one"] = lambda: sampler._run(
            sampler._bits, betas
        )
    return runs


def import_seconds(statement: str, repetitions: int) -> float:
    """Median time of a fresh interpreter that runs one import statement."""
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(repetitions + 1)
    ]
    return statistics.median(times[1:])  # the first one fills the disk cache


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spins", type=int, default=PROFILES["lesson"].n_spins)
    parser.add_argument("--repetitions", type=int, default=60)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    device = pick_device(options.device)
    times = in_turns(training_steps(options.spins, device), options.repetitions, device)
    plain = times["step without any prior"]
    threads = torch.get_num_threads()
    where = f"{threads} threads" if device.type == "cpu" else str(device)
    if device.type == "cuda":
        where = torch.cuda.get_device_name(device)
    print(f"{options.spins} spins; torch {torch.__version__}, {where}\n")
    print("| | median | relative to no prior |\n|---|---|---|")
    for name, seconds in times.items():
        print(f"| {name} | {1e3 * seconds:.2f} ms | {seconds / plain:.2f} |")
    print("\n| | median | beyond torch |\n|---|---|---|")
    imports = {name: import_seconds(code, 5) for name, code in _IMPORTS.items()}
    for name, seconds in imports.items():
        print(f"| {name} | {seconds:.2f} s | {seconds - imports['import torch']:.2f} s |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
