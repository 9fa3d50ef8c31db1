"""One way to set a training run up, for lesson, studio and command alike."""

import inspect
import math
from dataclasses import dataclass

import torch

from qdvae_helpers.arguments import require_count, require_kind, require_known, require_seed
from qdvae_helpers.data import LABEL_NAMES, ImageSet, Source, held_out_sample, load_images
from qdvae_helpers.errors import SettingError
from qdvae_helpers.graphs import QPUGraph, densest_subgraph
from qdvae_helpers.likelihood import class_partition_functions
from qdvae_helpers.models import QDVAE
from qdvae_helpers.priors import MOST_CLASSES, class_shares
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

#: What a prior's classes may be.
CLASSES = ("none", "clusters", "labels")
#: What each recipe needs where the prior knows classes: a prior with more to learn must be quicker
#: (docs/lab-notes.md).
CLASS_SETTINGS = {
    "elbo": {"prior_learning_rate": 0.02},
    "iwae": {"prior_learning_rate": 0.02},
    "mmd": {"prior_learning_rate": 0.02, "mmd_weight": 30.0},
}


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


def in_classes(train: ImageSet, classes: str, k: int) -> tuple[ImageSet, tuple[str, ...]]:
    """Images whose labels are the classes of a prior, and a name for each; see `prepare_run`."""
    if classes == "none":
        return train, ()
    if classes == "clusters":
        train, owners = train.clustered(k)
        if len(owners) < 2:
            raise SettingError("These images are too alike to make clusters: use classes='none'.")
        return train, tuple(map(str, range(len(owners))))
    if missing := int((train.labels < 0).sum()):
        raise SettingError(
            f"classes='labels', and {missing:,} of {len(train):,} images have no label: choose "
            "classes='clusters', which needs none."
        )
    names = _label_names(train)
    if k < len(names):
        raise SettingError(f"n_classes={k} for {len(names)} labels: give one each, or more.")
    train, owners = train.clustered(k // len(names), within_labels=True)
    return train, tuple(names[y] for y in owners.tolist())


@torch.no_grad()
def in_classes_of(model: QDVAE, train: ImageSet) -> ImageSet:
    """Images whose labels are the classes of a trained model, the most probable ones each.

    For an image with logits ``l`` that is the class of the highest ``log share_y - E_y(tanh(l/2)) -
    log Z_y``; where the model's classes lie within labels, among those of the image's own.

    Raises:
        SettingError: the model knows labels that these images have not.
    """
    if not model.class_names:
        return train
    within_labels = _knows_labels(model, train)
    labels = {name: label for label, name in _label_names(train).items()}
    if within_labels and (-1 in labels.values() or not labels.keys() <= set(model.wishes)):
        raise SettingError(
            f"This model knows the labels {', '.join(model.wishes)}: train it further with "
            "images of these labels, or train a new one."
        )
    # Half a minute for 250 classes of 256 spins; scores differ by far more than such an error.
    options = {"levels": 200, "num_samples": max(20, min(100, 5_000 // len(model.class_names)))}
    found = class_partition_functions(model.grbm, graph=model.graph, **options)
    log_z = [one.value for one in found]
    offsets = class_shares(model.grbm).log() - torch.tensor(log_z, device=model.device)
    scores = torch.cat(
        [
            offsets
            - torch.tanh(model.encode(part.to(model.device)) / 2) @ model.grbm.class_biases.T
            for part in train.images.split(1_000)
        ]
    ).cpu()
    if within_labels:
        owners = torch.tensor([labels.get(name, -1) for name in model.class_names])
        scores[train.labels.unsqueeze(1) != owners] = -math.inf
    source = train.source.then("in the classes of the model")
    return ImageSet(train.images, scores.argmax(1), source)


def _knows_labels(model: QDVAE, train: ImageSet) -> bool:
    """Whether the model's classes lie within labels; clusters are called by numbers, as digits."""
    if len(model.wishes) < len(model.class_names):
        return True
    about = model.info
    while isinstance(about, dict):  # and the models that it went on from
        if about.get("data") is not None and Source.from_dict(about["data"]).clustered:
            return False
        about = about.get("start")
    usual = tuple(_label_names(train).values())
    return model.wishes == LABEL_NAMES.get(train.source.data_set, usual)


def _label_names(train: ImageSet) -> dict[int, str]:
    """What each label that occurs is called; a number where nobody knows."""
    known = dict(enumerate(LABEL_NAMES.get(train.source.data_set, ())))
    return {label: known.get(label, str(label)) for label in train.labels.unique().tolist()}


def default_spins(recipe: str, profile: Profile, classes: str = "none") -> int:
    """How many latent spins a new model gets where nobody says."""
    if classes != "none":
        return profile.n_spins
    return min(profile.n_spins, MOST_SPINS.get(recipe, profile.n_spins))


def usual_images(
    n_train: int | None, n_held_out: int | None, name: str = "mnist"
) -> tuple[ImageSet, ImageSet]:
    """The first training images, and held-out ones drawn at random, all grey; ``None``: all."""
    held_out = held_out_sample(10_000 if n_held_out is None else n_held_out, name)
    return load_images(name, "train", limit=n_train), held_out


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
    classes: str = "none",
    n_classes: int | None = None,
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
        classes: whether the prior of a new model has biases for each class (:mod:`.priors`):
            ``none``, ``clusters`` found without labels, or ``labels``, each divided into clusters.
        n_classes: how many in all, 2 to 256, the profile's if left out; with ``labels`` at least
            one a label.
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
    profile = require_kind("profile", profile or current_profile(), Profile)
    kind = sampler_kind(sampler)
    device, seed = pick_device(device), require_seed(seed)
    processes = require_count("processes", processes, most=profile.num_samples)
    rank = require_count("rank", rank, 0, processes - 1)
    if n_spins is not None:
        n_spins = require_count("n_spins", n_spins)
    if sweeps is not None and kind != "gibbs":
        raise SettingError(f"Sweeps are for the sampler gibbs, not {kind}: leave them out.")
    if start_from is not None and graph is not None:
        raise SettingError("A trained model keeps its own graph: leave out graph or start_from.")
    if classes not in CLASSES:
        raise SettingError(f"classes={classes!r} must be one of {', '.join(CLASSES)}.")
    if start_from is not None and classes != "none":
        raise SettingError("A trained model keeps its own classes: leave out classes.")
    if n_classes is not None and classes == "none":
        raise SettingError("n_classes does nothing with classes='none': leave it out.")
    k = profile.n_classes if n_classes is None else n_classes
    k = require_count("n_classes", k, 2, most=MOST_CLASSES) if classes != "none" else 0
    if start_from is not None:
        k = len(require_kind("start_from", start_from, QDVAE).class_names)
    if k > (draws := profile.num_samples // processes):
        raise SettingError(
            f"{draws} samples of the prior per step, as in the profile {profile.name}, cannot hold "
            f"one of each of {k} classes: choose fewer classes, or a larger profile."
        )
    usual = CLASS_SETTINGS.get(recipe, {}) if classes != "none" else {}
    if usual and recipe == "mmd":  # which compares within classes, so each needs its pairs
        usual = usual | {"batch_size": 2 * profile.batch_size}
    settings = usual | settings | {"recipe": recipe, "seed": seed}
    if start_from is not None:
        settings = {"kl_warm_up": 1} | settings
    config = TrainConfig.for_profile(profile, kind, **settings)
    if start_from is not None:
        model = start_from.to(device)
        train = in_classes_of(model, train)
    else:
        if graph is None:
            whole = working_graph("live" if kind == "qpu" else "ideal")
            n = default_spins(recipe, profile, classes) if n_spins is None else n_spins
            graph = densest_subgraph(whole, n)
        train, names = in_classes(train, classes, k)
        with seeded(seed):  # layers are initialised with torch's global numbers
            model = QDVAE(graph, profile.hidden, classes=names)
        if names:
            counts = torch.bincount(train.labels, minlength=len(names))
            model.grbm.shares.copy_(counts / counts.sum())
        model.start_from_mean(train.images)
        model.to(device)
    sweeps = profile.sweeps if sweeps is None else sweeps
    options = {"sweeps": sweeps} if kind == "gibbs" else {}
    options |= {"num_samples": profile.num_samples // processes, "graph": model.graph}
    seed = seed_of_process(seed, rank)
    spins_from = make_sampler(model.grbm, kind, seed=seed, **options)
    return PreparedRun(model, train, held_out, config, spins_from)
