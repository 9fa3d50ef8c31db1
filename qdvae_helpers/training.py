"""Training (taught in ``05_training_the_qdvae``).

Three recipes share one loop.  ``elbo`` minimises reconstruction plus the divergence from the prior
to the encoder, one objective for all parameters.  ``iwae`` minimises a tighter bound of the same
likelihood, importance-weighted over several draws of the spins.  ``mmd`` follows the idea of
D-Wave's image-generation demo: the autoencoder minimises reconstruction plus the MMD between its
spins and the prior's, and the prior minimises the negative log-likelihood of the autoencoder's
spins.
"""

import contextlib
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from tqdm.auto import tqdm

from qdvae_helpers.checkpoints import (
    load_checkpoint,
    read_header,
    read_tensors,
    require_same_graph,
    save_checkpoint,
)
from qdvae_helpers.data import ImageSet
from qdvae_helpers.errors import CheckpointError, SamplerError, SettingError, TrainingError
from qdvae_helpers.evaluate import dead_spins, energy_decorrelation, moment_gap
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.likelihood import binarise
from qdvae_helpers.losses import (
    encoder_entropy,
    importance_weighted_loss,
    kl_loss,
    mmd_loss,
    nll_loss,
    reconstruction_loss,
    spin_kernel,
)
from qdvae_helpers.models import QDVAE
from qdvae_helpers.profiles import Profile
from qdvae_helpers.samplers import SpinSampler, make_sampler

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from qdvae_helpers.budget import Plan

#: What each recipe needs besides the defaults.  The encoder of ``mmd`` does not heed how quickly
#: the prior can follow, so the prior has to be quick (benchmarks/README.md).
RECIPE_SETTINGS = {
    "elbo": {},
    "iwae": {"spin_draws": 8},
    "mmd": {"prior_learning_rate": 0.03},
}
RECIPES = tuple(RECIPE_SETTINGS)
_PROBE = 1_000  # images that a report looks at
_COUNTS = ("steps", "batch_size", "spin_draws", "sample_every", "report_every")
_ABOVE_ZERO = ("learning_rate", "prior_learning_rate", "final_tau")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides what training does, apart from model, data and sampler.

    Raises:
        SettingError: a recipe that does not exist, or a number out of its range.
    """

    recipe: str = "elbo"  #: ``elbo``, ``iwae`` or ``mmd``
    steps: int = 4_000  #: gradient steps
    batch_size: int = 256  #: images a step
    learning_rate: float = 2e-3  #: of encoder and decoder (AdamW), after warm-up, before decay
    prior_learning_rate: float = 5e-3  #: of the Boltzmann machine (AdamW), likewise
    weight_decay: float = 0.1  #: of encoder and decoder, against learning images by heart
    warm_up: float = 0.05  #: fraction of the steps in which the learning rates rise linearly
    kl_weight: float = 1.0  #: weight of the divergence (``elbo``, ``iwae``)
    kl_warm_up: int = 200  #: steps in which that weight rises linearly from 0
    mmd_weight: float = 200.0  #: weight of the MMD (``mmd``), in nats
    coupling_penalty: float = 0.0  #: nats for a coupling of size 1; grows with its square
    binarise: bool = False  #: draw every pixel as 0 or 1 anew at each step, grey as probability
    spin_draws: int = 1  #: spin strings drawn for each image in each step
    final_tau: float | None = None  #: temperature of the relaxed spins at the end; None: no change
    decoder_steps: int = 0  #: the last steps, in which only the decoder learns, from true spins
    sample_every: int = 1  #: draw new spins from the prior every so many steps
    seed: int = 0  #: of the order of images, the spins, and the chains
    report_every: int = 200  #: steps between two reports (validation, checkpoint)

    def __post_init__(self) -> None:
        if self.recipe not in RECIPES:
            raise SettingError(
                f"There is no recipe {self.recipe!r}: choose one of {', '.join(RECIPES)}."
            )
        values = asdict(self)
        del values["recipe"]
        for name, value in values.items():
            if value is None:  # final_tau
                continue
            if not math.isfinite(value):
                raise SettingError(f"{name}={value} must be a finite number.")
            if name in _COUNTS and value < 1:
                raise SettingError(f"{name}={value} must be 1 or more.")
            if name in _ABOVE_ZERO and value <= 0:
                raise SettingError(f"{name}={value} must be more than 0.")
            if value < 0:
                raise SettingError(f"{name}={value} must be 0 or more.")
        if self.recipe == "iwae" and self.spin_draws == 1:
            raise SettingError(
                "One draw is no importance weighting: choose spin_draws=2 or more, or recipe elbo."
            )
        if self.decoder_steps >= self.steps:
            raise SettingError(
                f"decoder_steps={self.decoder_steps} are the last of steps={self.steps}: leave "
                "steps for the whole model, too."
            )
        if self.warm_up > 1:
            raise SettingError(f"warm_up={self.warm_up} is a fraction of the steps: choose 0 to 1.")

    @property
    def whole_steps(self) -> int:
        """The steps in which the whole model learns: all but the decoder's last ones."""
        return self.steps - self.decoder_steps

    @classmethod
    def for_profile(cls, profile: Profile, **changes) -> "TrainConfig":
        """The settings of a profile, with single values changed by name.

        Two of them follow the number of steps, the profile's or the one given, where they are not
        given themselves: there are 14 reports, and the weight of the divergence rises in the first
        fifth of the steps, in 200 at most.  A recipe adds its own, see ``RECIPE_SETTINGS``.
        """
        steps = changes.get("steps", profile.steps)
        settings = {
            "steps": steps,
            "batch_size": profile.batch_size,
            "report_every": math.ceil(steps / 14),
            "kl_warm_up": min(200, steps // 5),
        }
        settings |= RECIPE_SETTINGS.get(changes.get("recipe"), {})
        return cls(**(settings | changes))


@dataclass
class TrainResult:
    """What :func:`fit` returns: one record a report, and whether it came to the end."""

    history: list[dict]
    finished: bool


def fit(
    model: QDVAE,
    train: ImageSet,
    config: TrainConfig,
    *,
    validation: ImageSet | None = None,
    sampler: SpinSampler | None = None,
    checkpoint: str | Path | None = None,
    on_report: Callable[[dict], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    progress: bool = True,
    fabric: "Fabric | None" = None,
) -> TrainResult:
    """Train a model, from where its checkpoint ended if there is one.

    A QPU's cost is printed first; training ends, as with Ctrl-C, when its budget is used up.

    Ctrl-C (or the kernel's stop button) ends training after the step in progress, saves, and
    returns; calling ``fit`` again with the same checkpoint continues with the very next step, and
    ends with the same result as an uninterrupted run (a real QPU excepted: it has no seed).

    Args:
        model: trained in place, on the device where it is.
        train: images to learn from.
        config: see :class:`TrainConfig`.
        validation: held-out images for the reports; at most the first 1,000 are used.
        sampler: of ``model.grbm``; 512 Gibbs chains with 5 sweeps a call if left out.
        checkpoint: file to save to at every report and at the end, and to resume from.
        on_report: called with each record, for example to draw it.
        should_stop: asked after every step; True ends training as Ctrl-C does.
        progress: show a progress bar and a line a report.
        fabric: a launched Lightning Fabric, to train in several processes: each takes its share of
            every batch, and has the model and a sampler with chains of its own.  Reports and
            checkpoints come from the first process and hold the state of all.

    Raises:
        CheckpointError: the checkpoint belongs to another graph, model or setting.
        SettingError: there are fewer images than one batch needs, or a batch cannot be shared
            evenly by the processes.
        SamplerError: the sampler draws from another model; or a device failed, and the last whole
            step was saved.
        TrainingError: the loss is no longer a number; the last good checkpoint is left as it is.
    """
    if len(train.images) < config.batch_size:
        raise SettingError(
            f"{len(train.images)} images are fewer than one batch of {config.batch_size}: use more "
            "images or a smaller batch_size."
        )
    if fabric is not None and config.batch_size % fabric.world_size:
        # Gradients are averaged whatever the shares, and an empty share has no mean.
        raise SettingError(
            f"{fabric.world_size} processes cannot share a batch of {config.batch_size} images "
            "evenly: start a number of processes that divides batch_size, or change batch_size."
        )
    trainer = _Trainer(model, train, config, validation, sampler, fabric)
    progress = progress and trainer.rank == 0
    if checkpoint is not None and Path(checkpoint).exists():
        trainer.restore(checkpoint)
        if progress and trainer.step < config.steps:
            print(f"Continuing at step {trainer.step:,} from {Path(checkpoint).name}.", flush=True)
    if progress and (plan := trainer.plan()) is not None:
        print(f"{plan}.", flush=True)
    bar = tqdm(
        total=config.steps, initial=trainer.step, disable=not progress, leave=False, unit="step"
    )
    with bar, _deferred_interrupt() as interrupted, trainer.at_work():
        while trainer.step < config.steps:
            try:
                trainer.advance()
            except SamplerError:  # raised before anything of the step was changed
                if checkpoint is not None and fabric is None and trainer.step > 0:
                    trainer.require_finite_loss()  # a device refuses weights that are no numbers
                    trainer.save(checkpoint)
                raise
            bar.update()
            stop = interrupted.is_set() or (should_stop is not None and should_stop())
            spent = trainer.calls_left() > 0 and trainer.sampler.exhausted
            stop = stop or spent
            stop = trainer.any_process(stop)
            last = trainer.step == config.steps
            reporting = trainer.step % config.report_every == 0 or last
            if not (reporting or stop):
                continue
            trainer.require_finite_loss()
            if reporting:
                record = trainer.report()
                if progress:
                    bar.clear()
                    print(format_record(record), flush=True)
                if on_report is not None and trainer.rank == 0:
                    on_report(record)
            if checkpoint is not None:
                trainer.save(checkpoint)
            if stop and not last:
                where = f"; saved to {Path(checkpoint).name}" if checkpoint is not None else ""
                if trainer.rank == 0:
                    why = " because the budget of QPU time is used up" if spent else ""
                    print(
                        f"Stopped at step {trainer.step:,} of {config.steps:,}{why}{where}. "
                        "Call fit again with the same checkpoint to go on.",
                        flush=True,
                    )
                break
    finished = trainer.step >= config.steps
    model.info |= trainer.describe()
    return TrainResult(trainer.history, finished)


def format_record(record: dict) -> str:
    """A report as one line of text."""
    text = (
        f"step {record['step']:>6,} | {record['seconds']:5.0f} s | reconstruction "
        f"{record['reconstruction']:6.1f} nats"
    )
    if "validation" in record:
        text += f" (held out {record['validation']:6.1f})"
    return text + (
        f" | entropy {record['entropy']:5.1f} | dead spins {record['dead_spins']:3d} | "
        f"|J| {record['coupling_rms']:.3f} | moment gap {record['moment_gap']:.3f} | "
        f"decorrelation {record['energy_decorrelation']:4.0%}"
    )


@contextlib.contextmanager
def _deferred_interrupt() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into an event, so that a step is never cut in half.

    A second Ctrl-C interrupts at once.  Outside the main thread signals cannot be caught; there
    ``should_stop`` does the same.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    # None: the handler was not set by Python, so it cannot be put back.
    previous = signal.getsignal(signal.SIGINT) or signal.default_int_handler

    def note(signum, frame) -> None:
        event.set()
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, previous)


class _Objective(nn.Module):
    """The loss of one step as a module: what Fabric wraps to average gradients over processes."""

    def __init__(self, model: QDVAE, config: TrainConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.kernel = spin_kernel(model.n_spins)

    def forward(
        self, batch: torch.Tensor, prior_spins: torch.Tensor, kl_weight: float
    ) -> torch.Tensor:
        config, grbm = self.config, self.model.grbm
        logits, spins, pixel_logits = self.model.dvae(batch, config.spin_draws)
        if config.recipe == "iwae":
            loss = importance_weighted_loss(
                logits, spins, pixel_logits, batch, grbm, prior_spins, kl_weight
            )
        else:
            loss = reconstruction_loss(pixel_logits, batch)
        if config.recipe == "elbo":
            loss = loss + kl_weight * kl_loss(logits, grbm, prior_spins)
        elif config.recipe == "mmd":
            # The prior's samples are true spins, so the encoder's must be, too: relaxed ones would
            # differ from them even where both distributions agree.
            relaxed = spins.flatten(0, 1)
            true_spins = relaxed + (relaxed.sign() - relaxed).detach()
            loss = loss + config.mmd_weight * mmd_loss(true_spins, prior_spins, self.kernel)
            loss = loss + nll_loss(grbm, true_spins, prior_spins)
        # Strong couplings make a spin glass that no sampler equilibrates; its wrong samples then
        # give wrong gradients.
        return loss + config.coupling_penalty * grbm.quadratic.square().sum()


class _Trainer:
    """The state of one training run: what a step changes, and how to save and restore it."""

    def __init__(
        self,
        model: QDVAE,
        train: ImageSet,
        config: TrainConfig,
        validation: ImageSet | None,
        sampler: SpinSampler | None,
        fabric: "Fabric | None",
    ) -> None:
        device = model.device
        self.model, self.config, self.fabric = model, config, fabric
        model.ratio = None  # of a prior and an encoder that are about to change
        model.info.pop("ratio", None)
        self.rank = fabric.global_rank if fabric else 0
        self.processes = fabric.world_size if fabric else 1
        self.images = train.images.to(device)
        self.source = train.source
        # What reports look at stays the same throughout, so that they can be compared.
        self.probe = self._fixed(train.images)
        self.validation = None if validation is None else self._fixed(validation.images)
        self.sampler = sampler or make_sampler(
            model.grbm,
            "gibbs",
            num_samples=512 // self.processes,
            sweeps=5,
            seed=seed_of_process(config.seed, self.rank),
            graph=model.graph,
        )
        self.sampler.require_model(model.grbm)
        noise_seed = seed_of_process(config.seed, self.rank)
        self.generator = torch.Generator(device).manual_seed(noise_seed)
        networks = {"params": model.dvae.parameters(), "weight_decay": config.weight_decay}
        prior = {"params": model.grbm.parameters(), "weight_decay": 0.0}
        self.optimizer = torch.optim.AdamW(
            [
                networks | {"peak": config.learning_rate},
                prior | {"peak": config.prior_learning_rate},
            ],
            fused=True,  # one pass over memory instead of ten
        )
        self.objective: nn.Module = _Objective(model, config).to(device)
        if fabric:
            self.objective = fabric.setup_module(self.objective)
        self.step = 0
        self.seconds = 0.0
        self.history: list[dict] = []
        self._loss: torch.Tensor | None = None
        self._order: tuple[int, torch.Tensor] | None = None
        self._prior_spins: torch.Tensor | None = None
        self._previous_spins: torch.Tensor | None = None

    def _fixed(self, images: torch.Tensor) -> torch.Tensor:
        images = images[:_PROBE].to(self.model.device)
        return binarise(images) if self.config.binarise else images

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Lend the model this run's random numbers; afterwards torch's own seed counts again."""
        discretiser = self.model.dvae.latent_to_discrete
        discretiser.generator = self.generator
        try:
            yield
        finally:
            discretiser.generator = None
            if self.config.final_tau is not None:
                discretiser.tau = self.model.settings["tau"]
            self.optimizer.zero_grad()  # gradients take as much memory as the weights
            self.model.eval()

    def advance(self) -> None:
        """One gradient step."""
        began = time.perf_counter()
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * self._rate()
        self.optimizer.zero_grad(set_to_none=True)  # what gets no gradient is not changed
        whole = self.step < self.config.whole_steps
        loss = self._teach_all() if whole else self._teach_decoder()
        self.optimizer.step()
        self.step += 1
        self._loss = loss.detach()
        self.seconds += time.perf_counter() - began

    def _teach_all(self) -> torch.Tensor:
        """Gradients of the whole model, and the loss that they belong to."""
        config, model = self.config, self.model
        model.train()
        if config.final_tau is not None:
            model.dvae.latent_to_discrete.tau = self._tau()
        if self._prior_spins is None or self.step % config.sample_every == 0:
            # First of all: where the sampler fails, the step can be taken again later.
            self._previous_spins, self._prior_spins = self._prior_spins, self.sampler.sample()
        loss = self.objective(self._next_batch(), self._prior_spins, self._kl_weight())
        if self.fabric:
            self.fabric.backward(loss)
        else:
            loss.backward()
        return loss

    def _teach_decoder(self) -> torch.Tensor:
        """Gradients of the decoder alone, from true spins, and the loss that they belong to.

        Until now it saw relaxed spins, which say more than the true ones that it gets afterwards.
        Encoder and prior stay as they are, and so does how well the one is imitated by the other.
        """
        model = self.model.eval()  # its spins are true then
        batch = self._next_batch()
        with torch.no_grad():
            spins = model.dvae.latent_to_discrete(model.encode(batch), self.config.spin_draws)
        loss = reconstruction_loss(model.dvae.decoder(spins), batch)
        loss.backward()
        if self.fabric:  # the wrapped module averages gradients only when all have one
            for weights in model.dvae.decoder.parameters():
                weights.grad = self.fabric.all_reduce(weights.grad, reduce_op="mean")
        return loss

    def _next_batch(self) -> torch.Tensor:
        """This step's images, on the model's device."""
        batch = self.images[self._batch_indices()]
        if self.config.binarise:
            batch = torch.bernoulli(batch, generator=self.generator)
        return batch

    def plan(self) -> "Plan | None":
        """What the remaining steps cost on a QPU; ``None`` for samplers that cost nothing."""
        return self.sampler.plan(self.calls_left())

    def calls_left(self) -> int:
        """How often the remaining steps draw new spins from the prior."""
        done, all_of_them = (
            math.ceil(step / self.config.sample_every)
            for step in (self.step, self.config.whole_steps)
        )
        return max(0, all_of_them - done)

    def any_process(self, flag: bool) -> bool:
        """Whether the flag is set in any process, so that all stop after the same step."""
        if self.fabric is None:
            return flag
        return self.fabric.strategy.reduce_boolean_decision(flag, all=False)

    def require_finite_loss(self) -> None:
        """Stop before a broken model replaces a good checkpoint."""
        loss = 0.0 if self._loss is None else float(self._loss)  # None: resumed, no step yet
        # The last step may have broken the weights after their loss was computed.
        if not all(weights.isfinite().all() for weights in self.model.parameters()):
            loss = math.nan
        if self.any_process(not math.isfinite(loss)):
            raise TrainingError(
                f"The loss is {loss} at step {self.step:,}: lower learning_rate or "
                "prior_learning_rate and start anew; an earlier checkpoint is left as it was."
            )

    def _batch_indices(self) -> torch.Tensor:
        """This process's images of this step; every epoch has a shuffle of its own."""
        per_epoch = len(self.images) // self.config.batch_size
        epoch, position = divmod(self.step, per_epoch)
        if self._order is None or self._order[0] != epoch:
            shuffle = torch.Generator().manual_seed(self.config.seed * 1_000_003 + epoch)
            order = torch.randperm(len(self.images), generator=shuffle)
            self._order = (epoch, order.to(self.images.device))
        first = position * self.config.batch_size
        batch = self._order[1][first : first + self.config.batch_size]
        return batch[self.rank :: self.processes]

    def _rate(self) -> float:
        """Learning rate as a fraction of its peak: linear rise, then half a cosine to zero.

        The decoder's last steps have a rise and a fall of their own, up to half the peak.
        """
        config, step, peak = self.config, self.step, 1.0
        steps = config.whole_steps
        if step >= steps:
            step, steps, peak = step - steps, config.decoder_steps, 0.5
        warm = max(1.0, config.warm_up * steps)
        if step < warm:
            return peak * (step + 1) / warm
        return peak * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))

    def _tau(self) -> float:
        """Temperature of the relaxed spins: from the model's own to the final one, by ratios."""
        # Soft spins say more than the true ones that the decoder gets later; at low temperatures
        # they hardly do, but gradients are noisier, so those come last.
        own = self.model.settings["tau"]
        return own * (self.config.final_tau / own) ** (self.step / self.config.whole_steps)

    def _kl_weight(self) -> float:
        # A number of steps, not a share of the run: with thousands of cheap steps the encoder
        # settles on a nearly deterministic code that no prior on this graph can imitate.
        rise = max(1, self.config.kl_warm_up)
        return self.config.kl_weight * min(1.0, (self.step + 1) / rise)

    @torch.no_grad()
    def report(self) -> dict:
        """What one wants to know of the model's health, in evaluation mode, on fixed images."""
        model = self.model.eval()
        record = {"step": self.step, "seconds": round(self.seconds, 3)}
        logits, record["reconstruction"] = self._look_at(self.probe)
        if self.validation is not None:
            logits, record["validation"] = self._look_at(self.validation)
        record["entropy"] = float(encoder_entropy(logits))
        record["dead_spins"] = dead_spins(logits)
        record["coupling_rms"] = float(model.grbm.quadratic.square().mean().sqrt())
        record["moment_gap"] = moment_gap(model.grbm, logits, self._prior_spins)
        previous = self._previous_spins if self._previous_spins is not None else self._prior_spins
        record["energy_decorrelation"] = energy_decorrelation(
            model.grbm, previous, self._prior_spins
        )
        if temperatures := getattr(self.sampler, "temperatures", None):
            record["device_beta"] = temperatures[-1].beta
        self.history.append(record)
        return record

    def _look_at(self, images: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Logits of these images and their reconstruction error with true spins, in nats."""
        logits = self.model.encode(images)
        pixel_logits = self.model.dvae.decoder(self.model.dvae.latent_to_discrete(logits, 1))
        return logits, float(reconstruction_loss(pixel_logits, images))

    def describe(self) -> dict:
        """How the model was made, for its checkpoint."""
        return {
            "train": asdict(self.config),
            "step": self.step,
            "data": self.source,
            "sampler": self.sampler.provenance.to_dict(),
            "device": self.model.device.type,
            "processes": self.processes,
            "history": self.history,
        }

    def save(self, path: str | Path) -> None:
        """Write the state of all processes; the first one does it."""
        own = {f"sampler.{name}": value for name, value in self.sampler.state_dict().items()} | {
            "generator": self.generator.get_state(),
            "prior_spins": self._prior_spins,
        }
        if self._previous_spins is not None:
            own["previous_spins"] = self._previous_spins
        states = [own]
        if self.fabric:
            states *= self.processes
            torch.distributed.all_gather_object(states, own)
        extra = {
            f"process{k}.{name}": value
            for k, state in enumerate(states)
            for name, value in state.items()
        }
        if self.rank:
            return
        extra["seconds"] = torch.tensor(self.seconds, dtype=torch.float64)
        for i, state in self.optimizer.state_dict()["state"].items():
            extra |= {f"optimizer.{i}.{name}": value for name, value in state.items()}
        save_checkpoint(self.model, path, self.describe(), extra)

    def _what_must_agree(self, info: dict, settings: dict) -> dict:
        """Everything whose change would make a continued run another run."""
        sampler = dict(info["sampler"]["parameters"], kind=info["sampler"]["kind"])
        for measured in ("prefactor", "timing_us", "solver_graph_id"):  # not chosen
            sampler.pop(measured, None)
        if self.rank:
            sampler.pop("seed")  # the file has the first process's
        start = info.get("start")  # the model that the run went on from
        # Older files say nothing of networks, all dense, and of steps of the decoder alone.
        return {
            "decoder_steps": 0,
            **info["train"],
            "network": "dense",
            **settings,
            "data": info["data"],
            "sampler": sampler,
            "device": info["device"],
            "processes": info.get("processes", 1),
            "start": start and {"start": None} | start,
        }

    def restore(self, path: str | Path) -> None:
        """Take over everything that :meth:`save` wrote, or refuse by name."""
        name = Path(path).name
        header = read_header(path)
        saved_graph = QPUGraph.from_json(json.dumps(header["graph"]))
        require_same_graph(saved_graph, self.model.graph, name)
        if "train" not in header["info"]:
            raise CheckpointError(f"{name} holds no training run: choose another file name.")
        described = self.model.info | self.describe()
        wanted = self._what_must_agree(described, self.model.settings)
        saved = self._what_must_agree(header["info"], header["settings"])
        different = sorted(key for key in wanted if saved.get(key) != wanted[key])
        if different:
            raise CheckpointError(
                f"{name} was made with other values of {', '.join(different)}: use the same ones "
                "to continue that run, or another file name to start a new one."
            )
        state = read_tensors(path, "extra.")
        own = _under(f"process{self.rank}.", state)
        if "generator" not in own:
            raise CheckpointError(
                f"{name} holds a finished model without its training state, so it cannot be "
                "continued: choose another file name."
            )
        self.model.load_state_dict(load_checkpoint(path).state_dict())
        self.sampler.load_state_dict(_under("sampler.", own))
        self.generator.set_state(own["generator"])
        device = self.model.device
        self.step = header["info"]["step"]
        self.history = header["info"]["history"]
        self.seconds = float(state["seconds"])
        self._prior_spins = own["prior_spins"].to(device)
        if "previous_spins" in own:
            self._previous_spins = own["previous_spins"].to(device)
        optimizer: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in _under("optimizer.", state).items():
            index, field = key.split(".")
            optimizer.setdefault(int(index), {})[field] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": optimizer, "param_groups": groups})


def seed_of_process(seed: int, rank: int) -> int:
    """A seed of its own for each process; the first one keeps the run's."""
    return seed + 1_000_003 * rank


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
