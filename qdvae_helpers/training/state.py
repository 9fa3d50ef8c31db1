"""A training run in a file: saved so that it continues as if it had never stopped (lesson 05)."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch

from qdvae_helpers.checkpoints import (
    load_checkpoint,
    read_header,
    require_same_graph,
    save_checkpoint,
)
from qdvae_helpers.data import Source
from qdvae_helpers.errors import CheckpointError
from qdvae_helpers.files import read_tensors
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.models import QDVAE
from qdvae_helpers.samplers import SpinSampler

_MEASURED = ("prefactor", "timing_us", "solver_graph_id")  # of a sampler; not chosen


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

    Raises:
        CheckpointError: the file does not agree with the graph, or with what is said ``about`` the
            run to be continued.
    """
    header, name = read_header(path), Path(path).name
    require_same_graph(QPUGraph.from_json(json.dumps(header["graph"])), model.graph, name)
    if "train" not in header["info"]:
        raise CheckpointError(f"{name} holds no training run: choose another file name.")
    wanted = _what_must_agree(model.info | about, model.settings, rank)
    saved = _what_must_agree(header["info"], header["settings"], rank)
    different = sorted(key for key in wanted if saved.get(key) != wanted[key])
    if different:
        raise CheckpointError(
            f"{name} was made with other values of {', '.join(different)}: use the same ones "
            "to continue that run, or another file name to start a new one."
        )
    extra = read_tensors(path, "extra.")
    own = _under(f"process{rank}.", extra)
    if "generator" not in own:
        raise CheckpointError(
            f"{name} holds a finished model without its training state, so it cannot be "
            "continued: choose another file name."
        )
    model.load_state_dict(load_checkpoint(path).state_dict())
    state.generator.set_state(own["generator"])
    state.step = header["info"]["step"]
    state.history = header["info"]["history"]
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


def _what_must_agree(info: dict, settings: dict, rank: int) -> dict:
    """Everything whose change would make a continued run another run."""
    chosen = dict(info["sampler"]["parameters"], kind=info["sampler"]["kind"])
    for name in _MEASURED + ("seed",) * (rank > 0):  # the file has the first process's seed
        chosen.pop(name, None)
    return {
        **info["train"],
        **settings,
        "data": Source.from_dict(info["data"]),
        "sampler": chosen,
        "device": info["device"],
        "processes": info["processes"],
        "start": info.get("start"),  # the model that the run went on from
    }


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
