"""Train a model without a notebook: ``python -m qdvae_helpers.train --output model.safetensors``.

The run saves its state beside the output while it lasts (``*.part.safetensors``); the same command
continues an interrupted run.  ``make pretrained`` is this command for the models that ship.

Under ``torchrun`` it trains in several processes through Lightning Fabric (extra ``cluster``); see
docs/scaling.md.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from qdvae_helpers.checkpoints import load_checkpoint, save_checkpoint
from qdvae_helpers.data import ImageSet, load_images
from qdvae_helpers.density_ratio import divergence_bound, fit_density_ratio
from qdvae_helpers.errors import DataError, QdvaeError, SettingError
from qdvae_helpers.graphs import densest_subgraph, load_graph, working_graph
from qdvae_helpers.models import NETWORKS, QDVAE
from qdvae_helpers.profiles import PROFILES, current_profile
from qdvae_helpers.samplers import GibbsSampler, make_sampler
from qdvae_helpers.seeding import seeded
from qdvae_helpers.training import RECIPES, TrainConfig, fit, seed_of_process

if TYPE_CHECKING:
    from lightning_fabric import Fabric


# With more spins its encoder, which pays nothing for what it says, says more than a prior on the
# QPU's graph can imitate (benchmarks/README.md).
_MMD_SPINS = 48
_RATIO_STEPS = {"full": 3_000}  # by profile; others have none unless they are asked for


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m qdvae_helpers.train", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="file of the finished model")
    parser.add_argument("--profile", choices=PROFILES, help="default: QDVAE_PROFILE or lesson")
    parser.add_argument("--recipe", choices=RECIPES, default="elbo")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--spins", type=int, help=f"qubits of the prior; default: the profile's; mmd: {_MMD_SPINS}"
    )
    where.add_argument("--graph", type=Path, help="graph file; default: grown on the whole QPU's")
    where.add_argument("--start-from", type=Path, help="a trained model to go on from")
    parser.add_argument(
        "--network", choices=NETWORKS, help="how encoder and decoder are built; default: dense"
    )
    parser.add_argument("--steps", type=int, help="gradient steps; default: the profile's")
    parser.add_argument(
        "--decoder-steps", type=int, help="the last of them, in which only the decoder learns"
    )
    parser.add_argument(
        "--ratio-steps",
        type=int,
        help="afterwards, steps for the density ratio by which model.generate chooses among "
        f"candidates; default: {_RATIO_STEPS['full']} in the profile full, 0 in others",
    )
    parser.add_argument("--batch", type=int, help="images a step; default: the profile's")
    parser.add_argument(
        "--images",
        choices=("rounded", "grey"),
        default="rounded",
        help="learn black-and-white images (the default) or grey ones",
    )
    parser.add_argument(
        "--jitter", type=int, default=0, help="add this many gently bent copies of every image"
    )
    parser.add_argument("--kl-weight", type=float, help="elbo, iwae: weight of the divergence")
    parser.add_argument("--draws", type=int, help="spin strings an image (default 1; iwae: 8)")
    parser.add_argument("--final-tau", type=float, help="cool relaxed spins to this temperature")
    parser.add_argument("--learning-rate", type=float, help="peak, of encoder and decoder")
    parser.add_argument("--prior-learning-rate", type=float, help="peak, of the Boltzmann machine")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sweeps", type=int, help="gibbs: sweeps a step; default: the profile's")
    parser.add_argument("--sampler", help="default: QDVAE_SAMPLER or gibbs")
    parser.add_argument("--device", default="auto", help="cpu, cuda, mps, or auto (the default)")
    parser.add_argument("--require-mnist", action="store_true", help="stop where MNIST is missing")
    parser.add_argument(
        "--metrics", type=Path, help="append every report to this file, a JSON text a line"
    )
    return parser.parse_args(arguments)


def pick_device(name: str = "auto") -> torch.device:
    """The device of this name, or the fastest there is.

    Raises:
        SettingError: the machine has no such device.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, there in available.items() if there))
    if not available.get(name.split(":")[0], False):
        raise SettingError(f"There is no device {name!r} on this machine: use 'cpu' or 'auto'.")
    return torch.device(name)


def _launched_fabric(device: str) -> "Fabric | None":
    """Lightning Fabric, joined to the other processes that torchrun started; else ``None``.

    Raises:
        SettingError: Fabric is not installed, or a restart would not work.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    # torchrun shares its store with the processes: after a restart they read the addresses of
    # those that died (https://github.com/pytorch/pytorch/issues/135712) and hang or fail.
    shares_store = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    if shares_store and os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0") != "0":
        raise SettingError(
            "torchrun cannot restart processes reliably like this: set the environment variable "
            "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 for it, or leave --max-restarts away."
        )
    try:
        from lightning_fabric import Fabric
    except ImportError:
        raise SettingError(
            "Several processes need Lightning Fabric: pip install -e '.[cluster]'."
        ) from None
    local = int(os.environ["LOCAL_WORLD_SIZE"])
    fabric = Fabric(
        accelerator=device,
        devices=local,
        num_nodes=int(os.environ["WORLD_SIZE"]) // local,
        strategy="ddp",
    )
    fabric.launch()
    return fabric


def train(options: argparse.Namespace) -> bool:
    """Run the command; True when training came to its end."""
    if options.profile:
        os.environ["QDVAE_PROFILE"] = options.profile
    profile = current_profile()
    images = load_images("mnist", "train", limit=profile.train_images)
    if options.require_mnist and not images.source.startswith("MNIST"):
        raise DataError("MNIST is required here: put it in place (data/README.md) and run again.")
    held_out = load_images("mnist", "test", limit=profile.test_images)
    if options.jitter < 0:
        raise SettingError(f"--jitter {options.jitter}: choose 0 or more copies.")
    if options.ratio_steps is None:
        options.ratio_steps = _RATIO_STEPS.get(profile.name, 0)
    if options.ratio_steps < 0:
        raise SettingError(f"--ratio-steps {options.ratio_steps}: choose 0 or more.")
    originals = images
    if options.jitter:
        images = images.jittered(options.jitter, options.seed)
    if options.images == "rounded":
        images, held_out = images.rounded(), held_out.rounded()
        originals = originals.rounded() if options.jitter else images
    start = load_checkpoint(options.start_from) if options.start_from else None
    if start and options.network not in (None, start.settings["network"]):
        raise SettingError(
            f"{options.start_from.name} has a {start.settings['network']} network: leave --network "
            "away, or train a model of your own from the start."
        )
    if start:
        graph = start.graph
    elif options.graph:
        graph = load_graph(options.graph)
    else:
        n_spins = options.spins
        if n_spins is None:
            n_spins = profile.n_spins
            if options.recipe == "mmd":
                n_spins = min(n_spins, _MMD_SPINS)
        graph = densest_subgraph(working_graph("ideal"), n_spins)
    fabric = _launched_fabric(options.device)
    device = fabric.device if fabric else pick_device(options.device)
    rank, processes = (fabric.global_rank, fabric.world_size) if fabric else (0, 1)
    changes = {"recipe": options.recipe, "seed": options.seed}
    asked_for = {
        "steps": options.steps,
        "decoder_steps": options.decoder_steps,
        "batch_size": options.batch,
        "kl_weight": options.kl_weight,
        "spin_draws": options.draws,
        "final_tau": options.final_tau,
        "learning_rate": options.learning_rate,
        "prior_learning_rate": options.prior_learning_rate,
    }
    changes |= {name: value for name, value in asked_for.items() if value is not None}
    if start:
        model = start.to(device)
        model.info = {
            "start": {key: start.info.get(key) for key in ("train", "step", "data", "start")}
        }
        changes |= {"kl_warm_up": 1}  # its spins have a meaning already
    else:
        torch.manual_seed(options.seed)
        network = options.network or "dense"
        model = QDVAE(graph, profile.hidden, network=network).to(device)
        model.start_from_mean(images.images)
    config = TrainConfig.for_profile(profile, **changes)
    kind = options.sampler or os.environ.get("QDVAE_SAMPLER") or "gibbs"
    if options.sweeps is not None and kind != "gibbs":
        raise SettingError(f"--sweeps is for the sampler gibbs, not {kind}: leave it away.")
    sweeps = profile.sweeps if options.sweeps is None else options.sweeps
    sampler = make_sampler(
        model.grbm,
        kind,
        num_samples=profile.num_chains // processes,
        seed=seed_of_process(options.seed, rank),
        graph=graph,
        **({"sweeps": sweeps} if kind == "gibbs" else {}),
    )
    if rank == 0:
        where = f"{processes} processes on {device.type}" if fabric else device
        print(f"{images.source}; {graph}; {sampler.provenance}; {where}", flush=True)

    if options.metrics:  # not at the first report, after minutes
        options.metrics.parent.mkdir(parents=True, exist_ok=True)

    def log(record: dict) -> None:
        if options.metrics:
            with options.metrics.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")

    part = options.output.with_suffix(".part.safetensors")
    result = fit(
        model,
        images,
        config,
        validation=held_out,
        sampler=sampler,
        checkpoint=part,
        on_report=log,
        fabric=fabric,
    )
    if result.finished and rank == 0:
        about = {"profile": profile.name}
        if options.ratio_steps:
            try:
                about["ratio"] = _fit_ratio(model, originals, held_out, options)
            except KeyboardInterrupt:
                print(
                    f"Stopped at the density ratio; the trained model is saved in {part.name}. The "
                    "same command begins here again.",
                    flush=True,
                )
                return False
        save_checkpoint(model, options.output, about)
        part.unlink()
        print(f"Wrote {options.output}", flush=True)
    return result.finished


def _fit_ratio(
    model: QDVAE, images: ImageSet, held_out: ImageSet, options: argparse.Namespace
) -> dict:
    """Give the model its density ratio; returns what its file says of that."""
    print("Fitting the density ratio; some minutes in the profile full.", flush=True)
    model.eval()
    model.ratio = fit_density_ratio(
        model, images.images, steps=options.ratio_steps, seed=options.seed
    )
    prior = GibbsSampler(model.grbm, 2_000, seed=options.seed + 1, graph=model.graph).fresh()
    with torch.no_grad(), seeded(options.seed, model.device):
        parts = held_out.images.to(model.device).split(1_000)
        encoded = torch.cat([model.spins(model.encode(part)) for part in parts])
    nats = divergence_bound(model.ratio, encoded, prior)
    print(f"The encoder's strings differ from the prior's by at least about {nats:.2f} nats.")
    return {"steps": options.ratio_steps, "divergence": nats}


def main(arguments: list[str] | None = None) -> int:
    """Entry point; exit status 0 when finished, 1 on an error, 3 when interrupted and resumable."""
    try:
        return 0 if train(_arguments(arguments)) else 3
    except QdvaeError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
