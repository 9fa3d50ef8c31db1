"""Train a model.

Whatever ends a run, the same command goes on from NAME.part.safetensors.
Exit status: 0 finished, 1 error, 2 wrong use, 3 resumable, 130 stopped at once.
torchrun starts several processes (extra "cluster").
"""

import argparse
import contextlib
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from qdvae_helpers.checkpoints import load_checkpoint, read_header, save_checkpoint
from qdvae_helpers.data import LABEL_NAMES
from qdvae_helpers.errors import CheckpointError, OutputError, SettingError, TrainingError
from qdvae_helpers.graphs import load_graph
from qdvae_helpers.outputs import hold, require_apart, require_output, writing
from qdvae_helpers.profiles import PROFILES, Profile, current_profile
from qdvae_helpers.training import (
    CLASSES,
    RECIPE_SETTINGS,
    RECIPES,
    PreparedRun,
    TrainConfig,
    default_spins,
    pick_device,
    prepare_run,
    usual_images,
)
from qdvae_helpers.training.config import RECIPE_IGNORES
from qdvae_helpers.training.prepare import CLASS_SETTINGS

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # an extra, which most people lack

_LEAST = {"jitter": 0, "n_classes": 2, "spins": 1, "sweeps": 1}
_INTERRUPTED = 3  # exit status
_SUFFIX, _PART = ".safetensors", ".part.safetensors"
_SHORTER = {"batch_size": "batch", "spin_draws": "draws", "n_spins": "spins"}  # settings, options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options; those named as fields of ``TrainConfig`` become its settings."""
    count, number = {"type": int, "metavar": "N"}, {"type": float, "metavar": "R"}
    file = {"type": Path, "metavar": "FILE"}

    add = parser.add_argument_group("what to learn").add_argument
    _add_choice(add, "--recipe", RECIPES)
    _add_choice(add, "--data", tuple(LABEL_NAMES))
    drawn = " (drawn black and white anew at each step)"
    _add_choice(add, "--images", ("rounded", "grey", "binarised"), more=drawn)
    add("--jitter", default=0, help="add this many bent copies of each image", **count)
    add("--kl-weight", help=f"of the divergence (elbo, iwae); {_usual('kl_weight')}", **number)
    add("--mmd-weight", help=f"of the MMD (mmd); {_usual('mmd_weight')}", **number)
    draws = f"spin strings per image; {_usual('spin_draws')}"
    add("--draws", dest="spin_draws", help=draws, **count)
    add("--seed", default=0, help="default: 0", **count)

    _add_choice(add, "--classes", CLASSES, "the prior's: ")
    add("--n-classes", help=f"how many; {_of_profiles('n_classes')}", **count)

    models = parser.add_argument_group("the model (one of these)")
    add = models.add_mutually_exclusive_group().add_argument
    spins = f"one per qubit; {_of_profiles('n_spins')}"
    add(
        "--spins",
        help=f"{spins}; at most {default_spins('mmd', PROFILES['full'])} with mmd",
        **count,
    )
    add("--graph", help="the qubits to live on", **file)
    add("--start-from", help="a trained model to go on from", **file)

    add = parser.add_argument_group("how long and how fast").add_argument
    kinds = "fast, lesson or full; default: QDVAE_PROFILE or lesson"
    add("--profile", choices=PROFILES, metavar="KIND", help=kinds)
    add("--steps", help=f"gradient steps; {_of_profiles('steps')}", **count)
    last = "last ones, of the decoder alone; default: 0"
    add("--decoder-steps", help=last, **count)
    batch = f"images per step; {_of_profiles('batch_size')}"
    add("--batch", dest="batch_size", help=batch, **count)
    rate = f"peak, of encoder and decoder; {_usual('learning_rate')}"
    add("--learning-rate", help=rate, **number)
    rate = f"peak, of the prior; {_usual('prior_learning_rate')}"
    add("--prior-learning-rate", help=rate, **number)
    add("--device", default="auto", help="cpu, cuda, mps; default: auto, the fastest")

    add = parser.add_argument_group("the sampler of the prior").add_argument
    kinds = "gibbs, annealer, exact or qpu; default: QDVAE_SAMPLER or gibbs"
    add("--sampler", metavar="KIND", help=kinds)
    add("--sweeps", help=f"Gibbs sweeps per step; {_of_profiles('sweeps')}", **count)

    add = parser.add_argument_group("output").add_argument
    add("--output", required=True, help="the model (.safetensors)", **file)
    add("--overwrite", action="store_true", help="replace a file that is there")
    add("--metrics", help="append reports, one JSON text per line", **file)


def _add_choice(
    add: Callable, option: str, known: Sequence[str], first: str = "", more: str = ""
) -> None:
    """An option with a few known values, of which the first is the default."""
    words = f"{first}{', '.join(known[:-1])} or {known[-1]}{more}; default: {known[0]}"
    add(option, choices=known, default=known[0], metavar="KIND", help=words)


def _of_profiles(name: str) -> str:
    """The default of what a profile decides, for the help."""
    fast, lesson, full = (getattr(profile, name) for profile in PROFILES.values())
    others = f"else {full}" if lesson == full else f"{lesson} lesson, {full} full"
    return f"default: {fast} fast, {others}"


def _usual(name: str) -> str:
    """The default of what a recipe may decide, for the help."""
    values = [f"{getattr(TrainConfig, name):g}"]
    values += [f"{s[name]:g} {recipe}" for recipe, s in RECIPE_SETTINGS.items() if name in s]
    with_classes = {s[name] for s in CLASS_SETTINGS.values() if name in s}
    values += [f"{value:g} with classes" for value in with_classes]
    return f"default: {', '.join(values)}"


def _launched_fabric(device: str) -> "Fabric | None":
    """Lightning Fabric, joined to the other processes that torchrun started; else ``None``."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    # torchrun shares its store with the processes: after a restart they read the addresses of
    # those that died (https://github.com/pytorch/pytorch/issues/135712) and hang or fail.
    shares_store = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    if shares_store and os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0") != "0":
        raise SettingError(
            "torchrun cannot restart processes reliably like this: set the environment variable "
            "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 for it, or leave out --max-restarts."
        )
    try:
        from lightning_fabric import Fabric
    except ImportError:
        raise SettingError(
            "Several processes need Lightning Fabric: pip install -e '.[cluster]'."
        ) from None
    local, world = (int(os.environ[name]) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    fabric = Fabric(accelerator=device, devices=local, num_nodes=world // local, strategy="ddp")
    fabric.launch()
    return fabric


def prepare(options: argparse.Namespace, fabric: "Fabric | None" = None) -> PreparedRun:
    """The run that these options describe; with a launched ``fabric``, the part of this process.

    Raises:
        SettingError: an option that does not exist, fit, or do anything; others as
            ``prepare_run``.
    """
    for name in RECIPE_IGNORES[options.recipe]:
        if getattr(options, name, None) is not None:
            nothing = f"{_option(name)} does nothing with --recipe {options.recipe}"
            raise SettingError(f"{nothing}: leave it out.")
    for name, least in _LEAST.items():
        if (number := getattr(options, name)) is not None and number < least:
            raise SettingError(f"--{name.replace('_', '-')} {number}: choose {least} or more.")
    profile = _profile(options)
    train, held_out = usual_images(profile.train_images, profile.test_images, options.data)
    if options.jitter:
        train = train.jittered(options.jitter, options.seed)
    if options.images == "rounded":
        train, held_out = train.rounded(), held_out.rounded()
    options.binarise = True if options.images == "binarised" else None
    start = None
    if options.start_from:
        start = load_checkpoint(options.start_from)
        came_from = {key: start.info.get(key) for key in ("train", "step", "data", "start")}
        start.info = {"start": came_from}
    named = {field.name: getattr(options, field.name, None) for field in fields(TrainConfig)}
    return prepare_run(
        train,
        held_out,
        profile=profile,
        sampler=options.sampler,
        n_spins=options.spins,
        graph=load_graph(options.graph) if options.graph else None,
        start_from=start,
        classes=options.classes,
        n_classes=options.n_classes,
        sweeps=options.sweeps,
        device=fabric.device if fabric else pick_device(options.device),
        rank=fabric.global_rank if fabric else 0,
        processes=fabric.world_size if fabric else 1,
        **{name: value for name, value in named.items() if value is not None},
    )


def _profile(options: argparse.Namespace) -> Profile:
    return PROFILES[options.profile] if options.profile else current_profile()


def run(options: argparse.Namespace) -> int:
    """Train, save the model; returns the exit status.

    Raises:
        QdvaeError: an option, a file, a sampler or the training itself went wrong.
    """
    # Of the processes that torchrun started; other launchers set RANK, too.
    is_first = "TORCHELASTIC_RUN_ID" not in os.environ or os.environ.get("RANK") == "0"
    output = options.output
    part = output.with_name(output.name.removesuffix(_SUFFIX) + _PART) if output.name else output
    try:
        with contextlib.ExitStack() as held:
            if is_first:
                _require_apart(options, part)
                for file in filter(None, (output, options.metrics)):
                    held.enter_context(hold(file))
            if is_first and _was_finished(options, part):
                return 0
            fabric = _launched_fabric(options.device)
            prepared = prepare(options, fabric)
            try:
                if is_first:  # with the optimiser's two moments, old and new at once, and a model
                    size = 7 * 4 * sum(weights.numel() for weights in prepared.model.parameters())
                    require_output(output, overwrite=True, need_bytes=size)
                return _train(prepared, options, part, fabric)
            finally:
                prepared.sampler.close()
    except (SettingError, TrainingError) as error:
        raise type(error)(_as_typed(str(error))) from error


def _require_apart(options: argparse.Namespace, part: Path) -> None:
    """Refuse an option that names what another one writes."""
    output, metrics = options.output, options.metrics
    read = {"--start-from": options.start_from, "--graph": options.graph, "--metrics": metrics}
    require_apart((output, part), read)
    if output.name.endswith(_PART):
        raise OutputError(f"--output {output}: names of unfinished runs end so; choose another.")


def _was_finished(options: argparse.Namespace, part: Path) -> bool:
    """Try the outputs; whether an earlier command was killed just before it removed its part."""
    output, metrics = options.output, options.metrics
    with contextlib.suppress(CheckpointError):
        if not options.overwrite and output.is_file() and part.is_file():
            of_part, of_model = (read_header(file)["info"] for file in (part, output))
            if of_part == {name: of_model.get(name) for name in of_part}:
                part.unlink()
                print(f"{output} was finished already.", flush=True)
                return True
    require_output(output, overwrite=options.overwrite, suffix=_SUFFIX)
    require_output(part, overwrite=True)  # what is there is judged when it is read
    if metrics:
        require_output(metrics, ours=_holds_reports)
    return False


def _holds_reports(path: Path) -> bool:
    """Whether every line of a file is a report, so that more may follow."""
    try:
        *lines, last = path.read_text(encoding="utf-8").split("\n")
        return not last and all("step" in json.loads(line) for line in lines)
    except (ValueError, TypeError, RecursionError):  # no text, no JSON, a number
        return False


def _option(setting: str) -> str:
    """The option that a person types for a setting."""
    return "--" + _SHORTER.get(setting, setting).replace("_", "-")


def _as_typed(message: str) -> str:
    """A message that names settings, with the names of their options."""
    names = {field.name for field in fields(TrainConfig)} | {"n_spins", "n_classes", "classes"}
    text = re.sub(rf"\b({'|'.join(names)})=", lambda found: _option(found[1]) + " ", message)
    longer = "|".join(name for name in names if "_" in name)  # others are words, too
    return re.sub(rf"\b({longer})\b", lambda found: _option(found[1]), text)


def _train(
    prepared: PreparedRun, options: argparse.Namespace, part: Path, fabric: "Fabric | None"
) -> int:
    model, device = prepared.model, prepared.model.device
    is_first = fabric is None or fabric.global_rank == 0
    if is_first:
        where = f"{fabric.world_size} processes on {device.type}" if fabric else device
        made_by = (prepared.train.source, model.graph, prepared.sampler.provenance, where)
        print(*made_by, sep="; ", flush=True)

    def log(report: dict) -> None:
        if file := options.metrics:
            size = file.stat().st_size if file.exists() else 0
            try:
                with writing(file), file.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(report) + "\n")
            except OutputError:
                os.truncate(file, size)  # no line is cut off
                raise

    if not prepared.fit(checkpoint=part, on_report=log, fabric=fabric).finished:
        return _INTERRUPTED
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        # Else the threads that listen to the others may abort a process that ends after them.
        torch.distributed.destroy_process_group()
    if not is_first:
        return 0
    about: dict = {"profile": _profile(options).name}
    try:
        save_checkpoint(model, options.output, about)
    except OutputError as error:
        kept = f"The trained model is in {part.name}, and the same command goes on from there."
        raise OutputError(f"{error} {kept}") from error
    part.unlink()
    print(f"Wrote {options.output}", flush=True)
    return 0
