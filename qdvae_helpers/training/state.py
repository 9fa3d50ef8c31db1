"""A training run in a file: saved so that it continues as if it had never stopped (lesson 05)."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from qdvae_helpers import schema
from qdvae_helpers.checkpoints import (
    INFO,
    Checkpoint,
    open_checkpoint,
    require_same_graph,
    save_checkpoint,
)
from qdvae_helpers.data import Source
from qdvae_helpers.errors import CheckpointError, DataError, SettingError
from qdvae_helpers.models import QDVAE
from qdvae_helpers.priors import n_classes
from qdvae_helpers.samplers import SpinSampler
from qdvae_helpers.schema import Odd
from qdvae_helpers.training.config import TrainConfig
from qdvae_helpers.training.schedules import calls_left

_MEASURED = ("prefactor", "timing_us", "solver_graph_id")  # of a sampler; not chosen
_OF_TYPE: dict[type, schema.Check] = {
    str: schema.text(100),
    int: schema.whole(-(2**63), 2**64),
    float: schema.number(0),
    bool: schema.flag,
}
_is_config = schema.fields(
    {name: _OF_TYPE[type(one)] for name, one in asdict(TrainConfig()).items()}
)
_RUN = ("step", "history", "data", "images", "sampler", "device", "processes")
_is_run = schema.fields(
    {name: INFO[name] for name in _RUN} | {"train": _is_config}, others=schema.plain
)
_ABOVE_ZERO, _AT_LEAST_ZERO = ("prefactor",), ("calls", "device_calls", "exp_avg_sq", "seconds")


@dataclass
class RunState:
    """What a step needs besides model and settings; all of it is saved and restored."""

    generator: torch.Generator  #: of spins, and of pixels where they are drawn
    step: int = 0  #: gradient steps done
    seconds: float = 0.0  #: spent in them
    history: list[dict] = field(default_factory=list)  #: the reports so far
    prior_spins: torch.Tensor | None = None  #: ``(M, n)``, the prior's last; none before step 1
    previous_spins: torch.Tensor | None = None  #: those before

    def tensors(self, sampler: SpinSampler) -> dict[str, torch.Tensor]:
        """What is this process's own, its sampler's state included."""
        own = {f"sampler.{name}": value for name, value in sampler.state_dict().items()}
        own |= {"generator": self.generator.get_state(), "prior_spins": self.prior_spins}
        if self.previous_spins is not None:
            own["previous_spins"] = self.previous_spins
        return own


def save_run(
    model: QDVAE,
    path: str | Path,
    about: dict,
    processes: list[dict[str, torch.Tensor]],
    optimizer: torch.optim.Optimizer,
    seconds: float,
) -> None:
    """Write a run: ``about`` it, the tensors of each process, the seconds spent so far."""
    extra = {
        f"process{k}.{name}": value
        for k, state in enumerate(processes)
        for name, value in state.items()
    }
    extra["seconds"] = torch.tensor(seconds, dtype=torch.float64)
    for i, state in optimizer.state_dict()["state"].items():
        extra |= {f"optimizer.{i}.{name}": value for name, value in state.items()}
    save_checkpoint(model, path, about, extra)


def restore_run(
    model: QDVAE,
    path: str | Path,
    about: dict,
    rank: int,
    optimizer: torch.optim.Optimizer,
    state: RunState,
    sampler: SpinSampler,
) -> None:
    """Take over what :func:`save_run` wrote into model, optimizer, state and sampler.

    All of it is read and checked before anything is changed.

    Raises:
        CheckpointError: the file is damaged, or does not agree with the graph, or with what is said
            ``about`` the run to be continued.
    """
    name = schema.printable(Path(path).name)
    with open_checkpoint(path) as saved:
        require_same_graph(saved.graph, model.graph, name)
        info = _run_in(saved, name)
        _require_same_run(model.info | about, model.settings, saved, rank, name)
        extra = _read_state(saved, optimizer, state, sampler)
        weights = saved.model().state_dict()
    own = _under(f"process{rank}.", extra)
    model.load_state_dict(weights)
    state.generator.set_state(own["generator"])
    state.step = info["step"]
    state.history = info["history"]
    state.seconds = float(extra["seconds"])
    state.prior_spins = own["prior_spins"].to(model.device)
    if "previous_spins" in own:
        state.previous_spins = own["previous_spins"].to(model.device)
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in _under("optimizer.", extra).items():
        index, field = key.split(".")
        moments.setdefault(int(index), {})[field] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})
    sampler.load_state_dict(_under("sampler.", own))


def read_run(path: str | Path) -> dict:
    """What is known of the making of an unfinished run, from which one can set it up again.

    Raises:
        CheckpointError: the file is missing, damaged, or holds no run.
    """
    with open_checkpoint(path) as saved:
        return _run_in(saved, schema.printable(Path(path).name))


def _run_in(saved: Checkpoint, name: str) -> dict:
    """The same of an open file, checked as far as that goes without model and sampler."""
    info, entries = saved.header["info"], saved.file.entries
    if "train" not in info:
        raise CheckpointError(f"{name} holds no training run: choose another file name.")
    if not any(entry.startswith("extra.") for entry in entries):
        raise CheckpointError(
            f"{name} holds a finished model without its training state, so it cannot be "
            "continued: choose another file name."
        )
    _is_run(info, "info")
    try:
        config = TrainConfig(**info["train"])
        Source.from_dict(info["data"])
    except (DataError, SettingError) as error:
        raise Odd(f"info: {error}") from error
    step, every = info["step"], config.report_every
    due = [*range(every, step + 1, every)[: 1 + len(info["history"])]]
    due += [step] * (step == config.steps and step % every > 0)
    if not 1 <= step <= config.steps or [report["step"] for report in info["history"]] != due:
        raise Odd(f"step {step} of {config.steps} does not go with its reports")
    # A sampler of so many chains is built before its own state is read.
    chains = info["sampler"]["parameters"].get("num_samples")
    spins = entries.get("extra.process0.prior_spins")
    if spins is None or spins.shape != (chains, len(saved.graph.nodes)):
        raise Odd(f"it has no spins of {chains} chains")
    return info


def _read_state(
    saved: Checkpoint, optimizer: torch.optim.Optimizer, state: RunState, sampler: SpinSampler
) -> dict[str, torch.Tensor]:
    """All tensors of a run besides its model, compared with those that it would write here."""
    info = saved.header["info"]
    config, step = TrainConfig(**info["train"]), info["step"]
    spins = (torch.float32, (sampler.num_samples, len(saved.graph.nodes)))
    own = {f"sampler.{name}": _like(value) for name, value in sampler.state_dict().items()}
    own |= {"generator": _like(state.generator.get_state()), "prior_spins": spins}
    pause = {"whole_steps": config.whole_steps, "sample_every": config.sample_every}
    if calls_left(0, **pause) - calls_left(step, **pause) > 1:
        own["previous_spins"] = spins
    wanted = {"seconds": (torch.float64, ())}
    for k in range(info["processes"]):
        wanted |= {f"process{k}.{name}": value for name, value in own.items()}
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    for i, one in enumerate(parameters):
        wanted |= {f"optimizer.{i}.{name}": _like(one) for name in ("exp_avg", "exp_avg_sq")}
        wanted[f"optimizer.{i}.step"] = (torch.float32, ())
    saved.file.require({f"extra.{name}": value for name, value in wanted.items()}, others="model.")
    extra = {name: saved.file.read(f"extra.{name}") for name in wanted}
    for name, value in extra.items():
        what = name.rpartition(".")[2]
        known = n_classes(sampler.grbm)  # of which each sample has one
        if not _possible(what, value, step, state.generator) or (
            what == "classes" and not bool(((value >= 0) & (value < known)).all())
        ):
            raise Odd(f"tensor extra.{name} holds what cannot be")
    last = max(float(value) for name, value in extra.items() if name.endswith(".step"))
    if last != min(step, 2**24):  # float32 counts no further
        raise Odd(f"step {step} is not that of the optimizer")
    return extra


def _possible(name: str, value: torch.Tensor, step: int, generator: torch.Generator) -> bool:
    """Whether a tensor of this name may hold these values, which are finite."""
    if name in ("prior_spins", "previous_spins"):
        return bool((value.abs() == 1).all())
    if name == "bits":
        return bool((value <= 1).all())
    if name == "generator":
        try:
            torch.Generator(generator.device).set_state(value)
        except RuntimeError:
            return False
    if name == "step":  # of the optimizer; what only the decoder learns leaves others behind
        return 1 <= float(value) <= step and float(value).is_integer()
    if name in ("calls", "device_calls") and not bool((value < 2**53).all()):
        return False
    low = 0.0 if name in _AT_LEAST_ZERO else 1e-12 if name in _ABOVE_ZERO else -torch.inf
    return not value.numel() or float(value.min()) >= low


def _like(tensor: torch.Tensor) -> tuple[torch.dtype, tuple[int, ...]]:
    return tensor.dtype, tuple(tensor.shape)


def _require_same_run(
    wanted: dict, settings: dict, saved: Checkpoint, rank: int, name: str
) -> None:
    """Refuse (CheckpointError) to go on with anything whose change would make another run."""
    here = _what_must_agree(wanted, settings, rank)
    there = _what_must_agree(saved.header["info"], saved.header["settings"], rank)
    different = sorted(key for key in here if there.get(key) != here[key])
    if "data" in different and "images" in different:
        different.remove("images")  # follows from it
    if different == ["images"]:
        raise CheckpointError(
            f"{name} was made with other images than these, though both are called "
            f"'{here['data']}': use the same ones in the same order to continue that run, or "
            "another file name to start a new one."
        )
    if different:
        raise CheckpointError(
            f"{name} was made with other values of {', '.join(different)}: use the same ones "
            "to continue that run, or another file name to start a new one."
        )


def _what_must_agree(info: dict, settings: dict, rank: int) -> dict:
    """Everything whose change would make a continued run another run."""
    chosen = dict(info["sampler"]["parameters"], kind=info["sampler"]["kind"])
    for name in _MEASURED + ("seed",) * (rank > 0):  # the file has the first process's seed
        chosen.pop(name, None)
    return {
        **info["train"],
        **settings,
        "data": Source.from_dict(info["data"]),
        "images": info["images"],
        "sampler": chosen,
        "device": info["device"],
        "processes": info["processes"],
        "start": info.get("start"),  # the model that the run went on from
    }


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
