"""A training run beside the notebook: asked for, followed, cancelled and resumed (lesson 12)."""

import contextlib
import math
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch

from qdvae_helpers.arguments import require_count
from qdvae_helpers.checkpoints import is_checkpoint, load_checkpoint
from qdvae_helpers.data import LABEL_NAMES, ImageSet
from qdvae_helpers.errors import CheckpointError, SettingError, in_words
from qdvae_helpers.model_store import ModelStore, valid_name
from qdvae_helpers.models import QDVAE
from qdvae_helpers.outputs import hold, require_output
from qdvae_helpers.priors import MOST_CLASSES
from qdvae_helpers.profiles import current_profile
from qdvae_helpers.samplers import GibbsSampler, make_sampler, sampler_kind
from qdvae_helpers.training.config import RECIPE_SETTINGS, TrainConfig
from qdvae_helpers.training.prepare import (
    CLASSES,
    PreparedRun,
    in_classes,
    in_classes_of,
    prepare_run,
    usual_images,
)
from qdvae_helpers.training.state import read_run

_N_SAMPLES, _N_PAIRS = 20, 10  # shown at every report
_KNOWN_AFTER_S = 5.0  # the first steps of a session tell little of the later ones
SMALLEST, LARGEST = 16, 512  #: latent spins that a person may choose


@dataclass(frozen=True)
class TrainRequest:
    """What a person asks of a training run; refuses values that do not exist."""

    name: str  #: to save under
    epochs: int = 5  #: passes over the training images
    n_spins: int | None = None  #: latent spins; the profile's or the recipe's if left out
    recipe: str = "elbo"  #: ``elbo``, ``iwae`` or ``mmd``
    kl_weight: float = 1.0  #: weight of the divergence (``elbo``, ``iwae``)
    sampler: str = "gibbs"  #: see :mod:`qdvae_helpers.samplers`
    seed: int = 0
    start_from: str | None = None  #: a model to fine-tune; a new one if left out
    data: str = "mnist"  #: or ``fashion-mnist``
    classes: str = "none"  #: of a new model's prior, see :func:`prepare_run`
    n_classes: int | None = None  #: how many; the profile's if left out
    solver: str | None = None  #: the QPU to ask (``qpu``); that of D-Wave's settings if left out

    def __post_init__(self) -> None:
        if not 1 <= self.epochs <= 1_000:
            raise SettingError(f"epochs={self.epochs}: choose 1 to 1000.")
        if self.n_spins is not None and not SMALLEST <= self.n_spins <= LARGEST:
            raise SettingError(f"{self.n_spins} latents: choose {SMALLEST} to {LARGEST}.")
        if self.data not in LABEL_NAMES:
            raise SettingError(f"data={self.data!r}: choose {' or '.join(LABEL_NAMES)}.")
        if self.classes not in CLASSES:
            raise SettingError(f"classes={self.classes!r}: choose one of {', '.join(CLASSES)}.")
        if self.n_classes is not None:
            require_count("n_classes", self.n_classes, 2, MOST_CLASSES)
        if self.solver is not None and not (self.solver.strip() and self.solver.isprintable()):
            raise SettingError("The name of the solver is blank: leave it out, or choose one.")
        sampler_kind(self.sampler)  # refuses unknown ones
        settings = {"recipe": self.recipe, "kl_weight": self.kl_weight, "seed": self.seed}
        TrainConfig(**RECIPE_SETTINGS.get(self.recipe, {}) | settings)  # likewise


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    step: int  #: gradient steps done
    steps: int  #: of the whole run
    per_epoch: int  #: steps per epoch
    seconds_left: float | None  #: estimated from this session's steps; None in its first seconds

    def __str__(self) -> str:
        done = min(self.step, self.steps - 1)  # the last batch belongs to the last epoch
        epoch, batch = divmod(done, self.per_epoch)
        epochs, batches = self.steps // self.per_epoch, self.per_epoch
        text = f"epoch {epoch + 1} of {epochs}, batch {batch + 1} of {batches}"
        if self.seconds_left is None:
            return text
        minutes, seconds = divmod(round(self.seconds_left), 60)
        return f"{text}, about {minutes} min {seconds:02d} s left"


class TrainingRun:
    """One training run in a background thread: new, fine-tuning, or resumed.

    The callbacks are called in that thread.  A cancelled run can be resumed, and then ends with the
    same result as an uninterrupted one.

    Args:
        store: where models are read and saved.
        request: a new run; or a name, to resume the unfinished run of that name.
        on_progress: called a few times per second.
        on_report: called with all reports so far, images that the prior gives ``(20, 1, 28, 28)``,
            and images with their reconstructions ``(2, 10, 1, 28, 28)``, held-out ones if any.
        on_end: called once with ``finished``, ``cancelled`` or ``failed`` and a sentence.
    """

    def __init__(
        self,
        store: ModelStore,
        request: TrainRequest | str,
        *,
        on_progress: Callable[[Progress], None],
        on_report: Callable[[list[dict], torch.Tensor, torch.Tensor], None],
        on_end: Callable[[str, str], None],
    ) -> None:
        self.store = store
        self.request = request
        new = not isinstance(request, str)
        self.name = store.require_free(request.name) if new else valid_name(request)
        self._on_progress, self._on_report, self._on_end = on_progress, on_report, on_end
        self._cancel = threading.Event()
        self._held = contextlib.ExitStack()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Begin; returns at once.

        Raises:
            OutputError: the model cannot be saved, or is being trained elsewhere.
        """
        output = self.store.unfinished_path(self.name).with_name(f"{self.name}.safetensors")
        require_output(output, ours=is_checkpoint)
        self._held.enter_context(hold(output))
        self._thread.start()

    def cancel(self) -> None:
        """Ask the run to save and stop after the step in progress; returns at once."""
        self._cancel.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end."""
        self._thread.join(timeout)

    @property
    def running(self) -> bool:
        """Whether the thread is at work."""
        return self._thread.is_alive()

    def _work(self) -> None:
        with self._held:
            end = self._outcome()
        self._on_end(*end)

    def _outcome(self) -> tuple[str, str]:
        """How it ended, and the sentence."""
        try:
            request = self.request
            run = self._resumed() if isinstance(request, str) else new_run(self.store, request)
            try:
                finished = self._train(run)
            finally:
                run.sampler.close()
        except Exception as error:
            return "failed", in_words(error)
        if finished:
            return "finished", f"Finished: saved as {self.name}."
        why = "" if self._cancel.is_set() else " because the budget of QPU time is spent"
        return "cancelled", f"Stopped{why}: {self.name} keeps its last step and can be resumed."

    def _resumed(self) -> PreparedRun:
        info = self.store.unfinished_header(self.name)["info"]
        if "limits" not in info.get("studio", {}):  # "train" leaves files of such names, too
            raise CheckpointError(
                f"{self.name} was not begun here, so it cannot be resumed here: give the command "
                "that began it again."
            )
        info = read_run(self.store.unfinished_path(self.name))
        model = load_checkpoint(self.store.unfinished_path(self.name))
        saved = info["sampler"]["parameters"]
        # What a run of this module chooses, and a temperature that was measured already.
        names = ("num_samples", "seed", "sweeps", "beta", "prefactor")
        options = {name: saved[name] for name in names if name in saved}
        sampler = make_sampler(model.grbm, info["sampler"]["kind"], graph=model.graph, **options)
        studio = info["studio"]
        train, held_out = _images(studio["limits"], studio.get("data", "mnist"))
        if studio.get("start_from"):  # the classes of its first step, not of its present one
            if model.class_names:
                train = in_classes_of(self.store.load(studio["start_from"]), train)
        else:
            train, _ = in_classes(train, studio.get("classes", "none"), studio.get("n_classes"))
        return PreparedRun(model, train, held_out, TrainConfig(**info["train"]), sampler)

    def _train(self, run: PreparedRun) -> bool:
        model, config = run.model, run.config
        per_epoch = len(run.train) // config.batch_size
        first = step = model.info.get("step", 0)
        history = list(model.info.get("history", []))
        # Of its own: samples for the eye must not disturb the chains that training goes on with.
        viewer = GibbsSampler(model.grbm, _N_SAMPLES, seed=config.seed, graph=model.graph)
        shown = (run.held_out or run.train).images[:_N_PAIRS].to(model.device)
        seen_by = torch.Generator(model.device).manual_seed(config.seed)
        began = last_told = time.monotonic()

        def tell() -> None:
            done, now = step - first - 1, time.monotonic()  # the first step also warms up
            left = None
            if done > 0 and now - began > _KNOWN_AFTER_S:
                left = (now - began) / done * (config.steps - step)
            self._on_progress(Progress(step, config.steps, per_epoch, left))

        def after_a_step() -> bool:
            nonlocal step, last_told, began
            step += 1
            if step == first + 1:
                began = time.monotonic()
            if time.monotonic() - last_told > 0.3 or step == config.steps:
                last_told = time.monotonic()
                tell()
            return self._cancel.is_set()

        @torch.no_grad()
        def on_report(report: dict) -> None:
            history.append(report)
            _, _, pixel_logits = model(shown, generator=seen_by)
            pairs = torch.stack([shown, torch.sigmoid(pixel_logits[:, 0])])
            self._on_report(history, model.decode(viewer.restart(200)), pairs)

        tell()
        result = run.fit(
            checkpoint=self.store.unfinished_path(self.name),
            on_report=on_report,
            should_stop=after_a_step,
            progress=False,
        )
        if result.finished:
            self.store.finish(model, self.name)
        return result.finished


def new_run(store: ModelStore, request: TrainRequest) -> PreparedRun:
    """What a person asked for, ready to be trained, on black-and-white images as in lesson 05."""
    profile = current_profile()
    limits = (profile.train_images, profile.test_images)
    train, held_out = _images(limits, request.data)
    start = store.load(request.start_from) if request.start_from else None
    n_classes = None
    if request.classes != "none":
        n_classes = request.n_classes or profile.n_classes
    before = {} if start is None else {"start": _came_from(start)}
    per_epoch = len(train) // profile.batch_size  # only whole batches
    steps = request.epochs * per_epoch
    run = prepare_run(
        train,
        held_out,
        profile=profile,
        recipe=request.recipe,
        sampler=request.sampler,
        n_spins=request.n_spins,
        start_from=start,
        classes=request.classes,
        n_classes=n_classes,
        seed=request.seed,
        steps=steps,
        kl_weight=request.kl_weight,
        report_every=max(1, min(per_epoch, math.ceil(steps / 20))),
    )
    asked = asdict(request) | {"limits": limits, "n_classes": n_classes}
    run.model.info = {"studio": asked} | before
    return run


def _images(limits: tuple[int | None, int | None], data: str) -> tuple[ImageSet, ImageSet]:
    """Black-and-white images to learn from, and for the reports."""
    train, held_out = usual_images(*limits, data)
    return train.rounded(), held_out.rounded()


def _came_from(start: QDVAE) -> dict:
    """What a model that is trained further keeps of its first making, as the command does it."""
    return {key: start.info.get(key) for key in ("train", "step", "data", "start")}
