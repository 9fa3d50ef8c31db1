"""One way to set a training run up, for lesson, studio and command alike."""

import inspect
from dataclasses import dataclass

import torch

from qdvae_helpers.arguments import require_count, require_kind, require_known, require_seed
from qdvae_helpers.data import ImageSet, held_out_sample, load_images
from qdvae_helpers.errors import SettingError
from qdvae_helpers.graphs import QPUGraph, densest_subgraph
from qdvae_helpers.models import QDVAE
from qdvae_helpers.profiles import Profile, current_profile
from qdvae_helpers.samplers import SpinSampler, make_sampler, sampler_kind, working_graph
from qdvae_helpers.seeding import seeded
from qdvae_helpers.training.config import TrainConfig
from qdvae_helpers.training.loop import TrainResult, fit
from qdvae_helpers.training.schedules import seed_of_process

#: At most so many spins unless others are asked for: the encoder of ``mmd`` pays nothing for what
#: it says, so with more spins it says more than a prior on the QPU's graph can imitate
#: (docs/lab-notes.md).
MOST_SPINS = {"mmd": 48}


@dataclass
class PreparedRun:
    """All that :func:`~qdvae_helpers.training.fit` needs; ``run.fit(...)`` calls it."""

    model: QDVAE
    train: ImageSet
    held_out: ImageSet | None
    config: TrainConfig
    sampler: SpinSampler

    def fit(self, **options) -> TrainResult:
        """Train; ``options`` are the further ones of ``fit``, for example ``checkpoint``."""
        require_known("fit", options, set(inspect.signature(fit).parameters) - {"model", "train"})
        options = {"validation": self.held_out, "sampler": self.sampler} | options
        return fit(self.model, self.train, self.config, **options)


def pick_device(name: torch.device | str = "auto") -> torch.device:
    """The device of this name, or the fastest there is.

    Raises:
        SettingError: the machine has no such device.
    """
    there = {"cuda": torch.cuda.device_count(), "mps": int(torch.mps.is_available()), "cpu": 1}
    if name == "auto":
        return torch.device(next(kind for kind, number in there.items() if number))
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError, ValueError):
        device = torch.device("meta")
    if (device.index or 0) >= there.get(device.type, 0):
        raise SettingError(f"There is no device '{name}' on this machine: use 'cpu' or 'auto'.")
    return device


def default_spins(recipe: str, profile: Profile) -> int:
    """How many latent spins a new model gets where nobody says."""
    return min(profile.n_spins, MOST_SPINS.get(recipe, profile.n_spins))


def usual_images(n_train: int | None, n_held_out: int | None) -> tuple[ImageSet, ImageSet]:
    """The first training images, and held-out ones drawn at random, all grey; ``None``: all."""
    held_out = held_out_sample(10_000 if n_held_out is None else n_held_out)
    return load_images("mnist", "train", limit=n_train), held_out


def prepare_run(
    train: ImageSet,
    held_out: ImageSet | None = None,
    *,
    profile: Profile | None = None,
    recipe: str = "elbo",
    sampler: str | None = None,
    n_spins: int | None = None,
    graph: QPUGraph | None = None,
    start_from: QDVAE | None = None,
    sweeps: int | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    rank: int = 0,
    processes: int = 1,
    **settings,
) -> PreparedRun:
    """Model, sampler and settings of a run; what is not said follows the profile.

    Args:
        train: images to learn from, as they shall be learned (grey or rounded).
        held_out: for the reports.
        profile: how much work; ``QDVAE_PROFILE`` if left out.
        recipe: ``elbo``, ``iwae`` or ``mmd``.
        sampler: its kind, see :func:`~qdvae_helpers.samplers.sampler_kind`.
        n_spins: of a new model; the profile's if left out, for ``mmd`` at most 48.
        graph: where a new model lives; grown on a working graph if left out: a live one where a
            real QPU draws, else the ideal one.
        start_from: a trained model to go on with; its spins have a meaning already, so the weight
            of the divergence is full at once.
        sweeps: Gibbs sweeps between two steps; the profile's if left out.
        seed: of the network's start, the order of images, the spins, and the sampler.
        device: where the model learns, see :func:`pick_device`.
        rank, processes: which of several processes this is; each draws its share of samples.
        settings: of :class:`TrainConfig`.

    Raises:
        SettingError: an option that does not exist, or one that does not fit the sampler.
        GraphError: no such part of a graph, or no live one.
        SamplerError: the sampler cannot serve this model.
    """
    require_kind("train", train, ImageSet)
    if held_out is not None:
        require_kind("held_out", held_out, ImageSet)
    profile = profile or current_profile()
    kind = sampler_kind(sampler)
    device, seed = pick_device(device), require_seed(seed)
    processes = require_count("processes", processes, most=profile.num_samples)
    rank = require_count("rank", rank, 0, processes - 1)
    if n_spins is not None:
        n_spins = require_count("n_spins", n_spins)
    if sweeps is not None and kind != "gibbs":
        raise SettingError(f"Sweeps are for the sampler gibbs, not {kind}: leave them away.")
    if start_from is not None and graph is not None:
        raise SettingError("A trained model keeps its own graph: leave graph or start_from away.")
    settings |= {"recipe": recipe, "seed": seed}
    if start_from is not None:
        settings = {"kl_warm_up": 1} | settings
    config = TrainConfig.for_profile(profile, kind, **settings)
    if start_from is not None:
        model = start_from.to(device)
    else:
        if graph is None:
            whole = working_graph("live" if kind == "qpu" else "ideal")
            n = default_spins(recipe, profile) if n_spins is None else n_spins
            graph = densest_subgraph(whole, n)
        with seeded(seed):  # layers are initialised with torch's global numbers
            model = QDVAE(graph, profile.hidden)
        model.start_from_mean(train.images)
        model.to(device)
    sweeps = profile.sweeps if sweeps is None else sweeps
    options = {"sweeps": sweeps} if kind == "gibbs" else {}
    options |= {"num_samples": profile.num_samples // processes, "graph": model.graph}
    seed = seed_of_process(seed, rank)
    spins_from = make_sampler(model.grbm, kind, seed=seed, **options)
    return PreparedRun(model, train, held_out, config, spins_from)
