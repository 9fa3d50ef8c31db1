"""A training run in a file: saved so that it continues as if it had never stopped (lesson 05)."""

import json
from dataclasses import dataclass
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

_MEASURED = ("prefactor", "timing_us", "solver_graph_id")  # of a sampler; not chosen


@dataclass
class RunState:
    """What a step needs besides model and settings; all of it is saved and restored.

    Attributes:
        step: gradient steps done.
        seconds: spent in them.
        history: the reports so far.
        generator: of spins, and of pixels where they are drawn.
        prior_spins: ``(M, n)``, the prior's last samples; none before the first step.
        previous_spins: those before.
    """

    generator: torch.Generator
    step: int = 0
    seconds: float = 0.0
    history: list[dict] | None = None
    prior_spins: torch.Tensor | None = None
    previous_spins: torch.Tensor | None = None

    def __post_init__(self) -> None:
        self.history = self.history or []

    def tensors(self) -> dict[str, torch.Tensor]:
        """What is this process's own."""
        own = {"generator": self.generator.get_state(), "prior_spins": self.prior_spins}
        if self.previous_spins is not None:
            own["previous_spins"] = self.previous_spins
        return own


def save_run(
    model: QDVAE,
    path: str | Path,
    *,
    about: dict,
    processes: list[dict[str, torch.Tensor]],
    optimizer: torch.optim.Optimizer,
    seconds: float,
) -> None:
    """Write a run; an old file is kept or replaced.

    Args:
        model: as it is now.
        path: file to write.
        about: how the model was made so far; goes into the header.
        processes: the tensors of each process.
        optimizer: whose moments are saved.
        seconds: spent so far.
    """
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
    *,
    about: dict,
    rank: int,
    optimizer: torch.optim.Optimizer,
    state: RunState,
) -> dict[str, torch.Tensor]:
    """Take over everything that :func:`save_run` wrote, or refuse by name.

    Args:
        model, optimizer, state: are changed.
        path: file to read.
        about: what the run to be continued says of itself; must agree with the file.
        rank: which process this is.

    Returns:
        The state of this process's sampler.

    Raises:
        CheckpointError: the file belongs to another graph, model or setting.
    """
    name = Path(path).name
    header = read_header(path)
    saved_graph = QPUGraph.from_json(json.dumps(header["graph"]))
    require_same_graph(saved_graph, model.graph, name)
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
    return _under("sampler.", own)


def _what_must_agree(info: dict, settings: dict, rank: int) -> dict:
    """Everything whose change would make a continued run another run."""
    sampler = dict(info["sampler"]["parameters"], kind=info["sampler"]["kind"])
    for measured in _MEASURED:
        sampler.pop(measured, None)
    if rank:
        sampler.pop("seed")  # the file has the first process's
    return {
        **info["train"],
        **settings,
        "data": Source.from_dict(info["data"]),
        "sampler": sampler,
        "device": info["device"],
        "processes": info["processes"],
        "start": info.get("start"),  # the model that the run went on from
    }


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
