"""The training loop (taught in lesson 05)."""

import contextlib
import functools
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from tqdm.auto import tqdm

from qdvae_helpers.arguments import require_kind
from qdvae_helpers.data import ImageSet
from qdvae_helpers.errors import (
    MixingWarning,
    OutputError,
    SamplerError,
    SettingError,
    TrainingError,
)
from qdvae_helpers.models import QDVAE
from qdvae_helpers.outputs import require_output
from qdvae_helpers.priors import n_classes, require_labels
from qdvae_helpers.samplers import GibbsSampler, SpinSampler
from qdvae_helpers.samplers.mixing import MIXING_REMEDY
from qdvae_helpers.training.config import TrainConfig
from qdvae_helpers.training.interrupts import deferred_interrupt
from qdvae_helpers.training.objective import Objective, decoder_loss
from qdvae_helpers.training.reports import format_report, hardly_mixes, make_report, probe
from qdvae_helpers.training.schedules import (
    batch_rows,
    calls_left,
    kl_weight,
    learning_rate_share,
    seed_of_process,
)
from qdvae_helpers.training.state import RunState, restore_run, save_run

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # an extra, which most people lack


@dataclass
class TrainResult:
    """What :func:`fit` returns: the reports so far, and whether it came to the end."""

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
    """Train a model in place, from where its checkpoint ended if there is one.

    Ctrl-C (or the kernel's stop button) ends training after the step in progress, saves, and
    returns, as does a QPU's budget that is used up; calling ``fit`` again with the same checkpoint
    ends with the same result as an uninterrupted run (a real QPU excepted: it has no seed).  So
    does a request to end (SIGTERM), after which the process ends if nobody else handles that.

    Args:
        model, train, config: what learns, from which images, and how.
        validation: held-out images for the reports; 1,000 of them are drawn at random.
        sampler: of ``model.grbm``; 512 Gibbs chains with 5 sweeps per call if left out.
        checkpoint: file to save to at every report and at the end, and to resume from.
        on_report: called with each report, for example to draw it.
        should_stop: asked after every step; True ends training as Ctrl-C does.
        progress: show a progress bar, a line a report, and a warning where chains hardly mix;
            without it the reports' ``mixing`` says so.
        fabric: a launched Lightning Fabric, to train in several processes: each takes its share of
            every batch, with a sampler of its own; the first one reports and saves for all.

    Raises:
        CheckpointError: the checkpoint belongs to another graph, model or setting.
        SettingError: too few images for a batch, or the processes cannot share it evenly.
        SamplerError: the sampler draws from another model; or a device failed, and the last whole
            step was saved.
        TrainingError: the loss is no longer a number; the last good checkpoint is left as it is.
        OutputError: the checkpoint cannot be written, for example on a full disk; the last one is
            left as it is, and the same call goes on from there.
    """
    require_kind("config", config, TrainConfig)
    require_kind("train", train, ImageSet)
    if require_kind("model", model, QDVAE).grbm.linear.dtype != torch.float32:
        raise SettingError("Training is done in single precision: call model.float() first.")
    if validation is not None:
        require_kind("validation", validation, ImageSet)
    if sampler is not None:
        require_kind("sampler", sampler, SpinSampler)
    if len(train) < config.batch_size:
        raise SettingError(
            f"{len(train)} images are fewer than one batch of {config.batch_size}: use more "
            "images or a smaller batch_size."
        )
    if fabric is not None and config.batch_size % fabric.world_size:
        # Gradients are averaged whatever the shares, and an empty share has no mean.
        raise SettingError(
            f"{fabric.world_size} processes cannot share a batch of {config.batch_size} images "
            "evenly: start a number of processes that divides batch_size, or change batch_size."
        )
    for name, call in (("on_report", on_report), ("should_stop", should_stop)):
        if call is not None and not callable(call):
            raise SettingError(f"{name}={call!r:.60} must be a function.")
    if checkpoint is not None and (fabric is None or fabric.global_rank == 0):
        require_output(checkpoint, overwrite=True)  # what is there is judged when it is read
    trainer = _Trainer(model, train, config, validation, sampler, fabric)
    progress = progress and trainer.rank == 0
    if checkpoint is not None and Path(checkpoint).exists():
        trainer.restore(checkpoint)
        if progress and trainer.state.step < config.steps:
            at = f"at step {trainer.state.step:,} from {Path(checkpoint).name}"
            print(f"Continuing {at}.", flush=True)
    if progress and (plan := trainer.sampler.plan(trainer.calls_left())) is not None:
        print(f"{plan}.", flush=True)
    start, warned = trainer.state.step, False
    bar = tqdm(total=config.steps, initial=start, disable=not progress, leave=False, unit="step")
    with bar, deferred_interrupt() as interrupted, contextlib.closing(trainer):
        while trainer.state.step < config.steps:
            try:
                trainer.advance()
            except SamplerError:  # raised before anything of the step was changed
                if fabric is None:  # one process must not wait for others here
                    trainer.require_finite_loss()  # samplers refuse weights that are no numbers
                if checkpoint is not None and fabric is None and trainer.state.step > 0:
                    trainer.save(checkpoint)
                raise
            try:
                bar.update()
            except OSError:  # what is printed cannot be written any more
                interrupted.set()
            spent = trainer.calls_left() > 0 and trainer.sampler.exhausted
            stop = interrupted.is_set() or bool(should_stop and should_stop()) or spent
            stop = trainer.any_process(stop)
            last = trainer.state.step == config.steps
            reporting = trainer.state.step % config.report_every == 0 or last
            if not (reporting or stop):
                continue
            trainer.require_finite_loss()
            if reporting:
                report = trainer.report()
                if progress and hardly_mixes(report) and not warned:
                    warnings.warn(MIXING_REMEDY, MixingWarning, stacklevel=2)
                    warned = True
            if checkpoint is not None:  # before anything that prints, or writes elsewhere
                trainer.save(checkpoint)
            if reporting:
                if progress:
                    bar.clear()
                    print(format_report(report), flush=True)
                if on_report is not None and trainer.rank == 0:
                    on_report(report)
            if stop and not last:
                if trainer.rank == 0:
                    why = " because the budget of QPU time is used up" if spent else ""
                    where = f"; saved to {Path(checkpoint).name}" if checkpoint is not None else ""
                    print(
                        f"Stopped at step {trainer.state.step:,} of {config.steps:,}{why}{where}. "
                        "Call fit again with the same checkpoint to go on.",
                        flush=True,
                    )
                break
    model.info |= trainer.describe()
    return TrainResult(trainer.state.history, trainer.state.step >= config.steps)


class _Trainer:
    """One training run at work: what a step does."""

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
        self.rank = fabric.global_rank if fabric else 0
        self.processes = fabric.world_size if fabric else 1
        self.train, self.images = train, train.images.to(device)
        self.probe = probe(train, config.binarise, device)
        self.validation = None
        if validation is not None:
            self.validation = probe(validation, config.binarise, device)
        seed = seed_of_process(config.seed, self.rank)
        self.sampler = sampler or GibbsSampler(
            model.grbm, 512 // self.processes, sweeps=5, seed=seed, graph=model.graph
        )
        self.sampler.require_model(model.grbm)
        self.classes = None
        if n_classes(model.grbm) > 1:
            self.sampler.spread_evenly()
            self.classes = require_labels(train.labels, model.grbm).to(device)
        networks = {"params": model.dvae.parameters(), "weight_decay": config.weight_decay}
        prior = {"params": model.grbm.parameters(), "weight_decay": 0.0}
        # Fused: one pass over memory instead of ten.
        self.optimizer = torch.optim.AdamW([networks, prior], fused=True)
        self._own = Objective(model, config).to(device)
        self.objective: nn.Module = fabric.setup_module(self._own) if fabric else self._own
        self.state = RunState(torch.Generator(device).manual_seed(seed))
        self._loss: torch.Tensor | None = None

    def close(self) -> None:
        """Leave the model ready for use."""
        self.optimizer.zero_grad()  # gradients take as much memory as the weights
        self.model.eval()

    def advance(self) -> None:
        """One gradient step."""
        began = time.perf_counter()
        config, step = self.config, self.state.step
        share = learning_rate_share(
            step, steps=config.steps, warm_up=config.warm_up, decoder_steps=config.decoder_steps
        )
        peaks = (config.learning_rate, config.prior_learning_rate)
        for group, peak in zip(self.optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * share
        self.optimizer.zero_grad(set_to_none=True)  # what gets no gradient is not changed
        loss = self._teach_all() if step < config.whole_steps else self._teach_decoder()
        self.optimizer.step()
        self.state.step += 1
        self._loss = loss.detach()
        self.state.seconds += time.perf_counter() - began

    def _teach_all(self) -> torch.Tensor:
        """Gradients of the whole model, and the loss that they belong to."""
        config, state = self.config, self.state
        self.model.train()
        if state.prior_spins is None or state.step % config.sample_every == 0:
            # First of all: where the sampler fails, the step can be taken again later.
            state.previous_spins, state.prior_spins = state.prior_spins, self.sampler.sample()
        weight = kl_weight(state.step, weight=config.kl_weight, rise=config.kl_warm_up)
        classes = None if self.classes is None else self.classes[self._rows()]
        loss = self.objective(
            self._next_batch(),
            state.prior_spins,
            weight,
            state.generator,
            classes,
            self.sampler.classes,
        )
        if self.fabric:
            self.fabric.backward(loss)
        else:
            loss.backward()
        return loss

    def _teach_decoder(self) -> torch.Tensor:
        """The same for the decoder alone."""
        model = self.model.eval()
        batch = self._next_batch()
        loss = decoder_loss(model, batch, self.config.spin_draws, self.state.generator)
        self._own.parts = {"loss_reconstruction": loss.detach()}  # all there is; no whole of before
        loss.backward()
        if self.fabric:  # the wrapped module averages gradients only when all have one
            for weights in model.dvae.decoder.parameters():
                weights.grad = self.fabric.all_reduce(weights.grad, reduce_op="mean")
        return loss

    def _next_batch(self) -> torch.Tensor:
        """This process's images of this step, on the model's device."""
        batch = self.images[self._rows()]
        if self.config.binarise:
            batch = torch.bernoulli(batch, generator=self.state.generator)
        return batch

    def _rows(self) -> torch.Tensor:
        """Which images these are."""
        rows = batch_rows(
            self.state.step,
            n_images=len(self.images),
            batch_size=self.config.batch_size,
            seed=self.config.seed,
            rank=self.rank,
            processes=self.processes,
        )
        return rows.to(self.images.device)

    def calls_left(self) -> int:
        """How often the remaining steps draw new spins from the prior."""
        config = self.config
        return calls_left(
            self.state.step, whole_steps=config.whole_steps, sample_every=config.sample_every
        )

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
        self._require_finite(loss)

    def _require_finite(self, loss: float) -> None:
        if self.any_process(not math.isfinite(loss)):
            raise TrainingError(
                f"The loss is {loss} at step {self.state.step:,}: lower learning_rate or "
                "prior_learning_rate and start again; an earlier checkpoint is left as it was."
            )

    def report(self) -> dict:
        """What one wants to know of the model's health; kept in the history, too."""
        state = self.state
        report = {"step": state.step, "seconds": round(state.seconds, 3)}
        report |= make_report(
            self.model,
            trained_on=self.probe,
            held_out=self.validation,
            prior_spins=state.prior_spins,
            previous_spins=state.previous_spins,
            prior_classes=self.sampler.classes,
            generator=state.generator,
        )
        report |= self.sampler.diagnostics()
        report |= {name: float(part) for name, part in self._own.parts.items()}
        self._require_finite(sum(x for x in report.values() if isinstance(x, float)))
        state.history.append(report)
        return report

    @functools.cached_property
    def _fingerprint(self) -> str:
        """Of the images; takes a second for 300,000, so once a run."""
        return self.train.fingerprint()

    def describe(self) -> dict:
        """How the model was made, for its checkpoint."""
        return {
            "train": asdict(self.config),
            "step": self.state.step,
            "data": self.train.source.to_dict(),
            "images": self._fingerprint,
            "sampler": self.sampler.provenance.to_dict(),
            "device": self.model.device.type,
            "processes": self.processes,
            "history": self.state.history,
        }

    def save(self, path: str | Path) -> None:
        """Write the state of all processes; the first one does it."""
        states = [self.state.tensors(self.sampler)]
        if self.fabric:
            states *= self.processes
            torch.distributed.all_gather_object(states, states[self.rank])
        if self.rank == 0:
            seconds = self.state.seconds
            try:
                save_run(self.model, path, self.describe(), states, self.optimizer, seconds)
            except OutputError as error:
                goes_on = "What was saved before stays, and the same command goes on from there."
                raise OutputError(f"{error} {goes_on}") from error

    def restore(self, path: str | Path) -> None:
        """Go on where :meth:`save` was called."""
        about, state = self.describe(), self.state
        restore_run(self.model, path, about, self.rank, self.optimizer, state, self.sampler)
