"""Work beside the notebook: a long training run, and answers to a person who moves a slider.

Widgets answer in the kernel's main thread, so nothing slow may run there.  A thread is enough:
torch lets go of Python's lock while it computes.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import dimod
import torch

from qdvae_helpers.checkpoints import load_checkpoint
from qdvae_helpers.data import ImageSet, load_images
from qdvae_helpers.errors import CheckpointError, QdvaeError, SettingError
from qdvae_helpers.graphs import densest_subgraph, working_graph
from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.models import QDVAE
from qdvae_helpers.profiles import current_profile
from qdvae_helpers.samplers import GibbsSampler, SpinSampler, make_sampler, sampler_kind
from qdvae_helpers.seeding import seeded
from qdvae_helpers.training import RECIPE_SETTINGS, RECIPES, TrainConfig, fit

_N_SAMPLES = 20  # shown at every report
SMALLEST, LARGEST = 16, 512  #: latent spins that a person may choose


def let_go(sampler: SpinSampler) -> None:
    """Close the connection to a device, where the sampler has one."""
    device = getattr(sampler, "device", None)
    if isinstance(device, dimod.Sampler) and hasattr(device, "close"):
        device.close()


def in_words(error: Exception) -> str:
    """An error as a sentence for the person in front of the screen."""
    if isinstance(error, QdvaeError):
        return str(error)
    return f"This should not have happened ({type(error).__name__}): {error}"


class LatestOnly:
    """Runs jobs in one background thread, only the newest of those that wait.

    Args:
        on_error: called with an exception that a job raised, in the background thread.
        pause: seconds to wait before a job starts, in which a newer one may take its place.
    """

    def __init__(self, on_error: Callable[[Exception], None], pause: float = 0.1) -> None:
        self._on_error = on_error
        self._pause = pause
        self._waiting: Callable[[], None] | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def submit(self, job: Callable[[], None]) -> None:
        """Run ``job`` soon, in place of one that has not begun."""
        with self._changed:
            if self._closed:
                return
            self._waiting = job
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def close(self, timeout: float = 10.0) -> None:
        """Drop what waits, and wait for the job in progress."""
        with self._changed:
            self._closed = True
            self._waiting = None
            self._changed.notify_all()
        if self._thread not in (None, threading.current_thread()):
            self._thread.join(timeout)

    def _work(self) -> None:
        while True:
            with self._changed:
                while self._waiting is None:
                    if self._closed:
                        return
                    self._changed.wait()
                if self._changed.wait_for(lambda: self._closed, self._pause):
                    return
                job, self._waiting = self._waiting, None
            if job is None:
                continue
            try:
                job()
            except Exception as error:
                self._on_error(error)


@dataclass(frozen=True)
class TrainRequest:
    """What a person asks of a training run.

    Raises:
        SettingError: a value that does not exist; the message says which do.
    """

    name: str  #: to save under
    epochs: int = 5  #: passes over the training images
    n_spins: int = 256  #: latent spins, one a qubit; a fine-tuned model keeps its own
    recipe: str = "elbo"  #: ``elbo``, ``iwae`` or ``mmd``
    kl_weight: float = 1.0  #: weight of the divergence (``elbo``, ``iwae``)
    sampler: str = "gibbs"  #: see :mod:`qdvae_helpers.samplers`
    seed: int = 0
    start_from: str | None = None  #: a model to fine-tune; a new one if left out

    def __post_init__(self) -> None:
        if not 1 <= self.epochs <= 1_000:
            raise SettingError(f"epochs={self.epochs}: choose 1 to 1000.")
        if not SMALLEST <= self.n_spins <= LARGEST:
            raise SettingError(f"{self.n_spins} latents: choose {SMALLEST} to {LARGEST}.")
        if self.recipe not in RECIPES:
            raise SettingError(
                f"There is no loss {self.recipe!r}: choose one of {', '.join(RECIPES)}."
            )
        if not 0 <= self.kl_weight < math.inf:
            raise SettingError(f"kl_weight={self.kl_weight}: choose 0 or more, as a rule 1.")
        sampler_kind(self.sampler)  # refuses unknown ones
        if self.seed < 0:
            raise SettingError(f"seed={self.seed} must be 0 or more.")


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    step: int  #: gradient steps done
    steps: int  #: of the whole run
    per_epoch: int  #: steps an epoch
    seconds_left: float | None  #: estimated from this session's steps; None at the very start

    def __str__(self) -> str:
        done = min(self.step, self.steps - 1)  # the last batch belongs to the last epoch
        epoch, batch = divmod(done, self.per_epoch)
        text = (
            f"epoch {epoch + 1} of {self.steps // self.per_epoch}, "
            f"batch {batch + 1} of {self.per_epoch}"
        )
        if self.seconds_left is None:
            return text
        minutes, seconds = divmod(round(self.seconds_left), 60)
        return f"{text}, about {minutes} min {seconds:02d} s left"


class TrainingRun:
    """One training run in a background thread: new, fine-tuning, or resumed.

    The callbacks are called in that thread.  Whatever ends the run, its last checkpoint stays: a
    cancelled run can be resumed, and then ends with the same result as an uninterrupted one.

    Args:
        store: where models are read and saved.
        request: a new run; or a name, to resume the unfinished run of that name.
        on_progress: called a few times a second.
        on_report: called with all records so far and some images of the prior, several times a run.
        on_end: called once with ``finished``, ``cancelled`` or ``failed`` and a sentence.
    """

    def __init__(
        self,
        store: ModelStore,
        request: TrainRequest | str,
        *,
        on_progress: Callable[[Progress], None],
        on_report: Callable[[list[dict], torch.Tensor], None],
        on_end: Callable[[str, str], None],
    ) -> None:
        self.store = store
        self.request = request
        self.name = request if isinstance(request, str) else store.require_free(request.name)
        self._on_progress, self._on_report, self._on_end = on_progress, on_report, on_end
        self._cancel = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
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
        try:
            resume = isinstance(self.request, str)
            model, config, sampler, *images = self._resumed() if resume else self._new()
            try:
                finished = self._train(model, config, sampler, *images)
            finally:
                let_go(sampler)
        except Exception as error:
            self._on_end("failed", in_words(error))
            return
        if finished:
            self._on_end("finished", f"Finished: saved as {self.name}.")
        else:
            why = "" if self._cancel.is_set() else " because the budget of QPU time is spent"
            sentence = f"Stopped{why}: {self.name} keeps its last step and can be resumed."
            self._on_end("cancelled", sentence)

    def _new(self) -> tuple[QDVAE, TrainConfig, SpinSampler, ImageSet, ImageSet]:
        request, profile = self.request, current_profile()
        limits = (profile.train_images, profile.test_images)
        train, held_out = _images(*limits)
        # A whole batch must fit; the loop leaves out the rest of an epoch.
        per_epoch = len(train.images) // profile.batch_size
        steps = request.epochs * per_epoch
        if request.start_from is not None:
            model = self.store.load(request.start_from)
        else:
            source = "live" if request.sampler == "qpu" else "ideal"
            graph = densest_subgraph(working_graph(source), request.n_spins)
            with seeded(request.seed):  # layers are initialised with torch's global numbers
                model = QDVAE(graph, profile.hidden)
            model.start_from_mean(train.images)
        model.info = {"studio": asdict(request) | {"limits": limits}}
        config = TrainConfig(
            recipe=request.recipe,
            kl_weight=request.kl_weight,
            **RECIPE_SETTINGS[request.recipe],
            steps=steps,
            batch_size=profile.batch_size,
            kl_warm_up=min(200, max(1, steps // 5)) if request.start_from is None else 1,
            # A device is asked less often: a call takes it as long as many steps.
            sample_every=1 if request.sampler == "gibbs" else 20,
            seed=request.seed,
            report_every=max(1, min(per_epoch, math.ceil(steps / 20))),
        )
        options = {"sweeps": profile.sweeps} if request.sampler == "gibbs" else {}
        sampler = make_sampler(
            model.grbm,
            request.sampler,
            num_samples=profile.num_chains,
            seed=request.seed,
            graph=model.graph,
            **options,
        )
        return model, config, sampler, train, held_out

    def _resumed(self) -> tuple[QDVAE, TrainConfig, SpinSampler, ImageSet, ImageSet]:
        info = self.store.unfinished_header(self.name)["info"]
        if "studio" not in info:  # the command "train" leaves its files under such names, too
            raise CheckpointError(
                f"{self.name} was not begun here, so it cannot be resumed here: give the command "
                "that began it again."
            )
        model = load_checkpoint(self.store.unfinished_path(self.name))
        saved = info["sampler"]["parameters"]
        # What a run of this module chooses, and a temperature that was measured already.
        names = ("seed", "sweeps", "beta", "prefactor")
        sampler = make_sampler(
            model.grbm,
            info["sampler"]["kind"],
            num_samples=saved.get("num_chains") or saved["num_reads"],
            graph=model.graph,
            **{name: saved[name] for name in names if name in saved},
        )
        train, held_out = _images(*info["studio"]["limits"])
        return model, TrainConfig(**info["train"]), sampler, train, held_out

    def _train(
        self,
        model: QDVAE,
        config: TrainConfig,
        sampler: SpinSampler,
        train: ImageSet,
        held_out: ImageSet,
    ) -> bool:
        per_epoch = len(train.images) // config.batch_size
        checkpoint = self.store.unfinished_path(self.name)
        first = step = model.info.get("step", 0)
        history = list(model.info.get("history", []))
        # Of its own: samples for the eye must not disturb the chains that training goes on with.
        viewer = GibbsSampler(model.grbm, _N_SAMPLES, seed=config.seed, graph=model.graph)
        began = last_told = time.monotonic()

        def tell() -> None:
            done, now = step - first, time.monotonic()
            left = (now - began) / done * (config.steps - step) if done else None
            self._on_progress(Progress(step, config.steps, per_epoch, left))

        def after_a_step() -> bool:
            nonlocal step, last_told
            step += 1
            if time.monotonic() - last_told > 0.3 or step == config.steps:
                last_told = time.monotonic()
                tell()
            return self._cancel.is_set()

        @torch.no_grad()
        def report(record: dict) -> None:
            history.append(record)
            self._on_report(history, model.decode(viewer.burn_in(200)))

        tell()
        result = fit(
            model,
            train,
            config,
            validation=held_out,
            sampler=sampler,
            checkpoint=checkpoint,
            on_report=report,
            should_stop=after_a_step,
            progress=False,
        )
        if result.finished:
            self.store.finish(model, self.name)
        return result.finished


def _images(train_limit: int | None, test_limit: int | None) -> tuple[ImageSet, ImageSet]:
    """Training and held-out images, black and white as in lesson 05."""
    return (
        load_images("mnist", "train", limit=train_limit).rounded(),
        load_images("mnist", "test", limit=test_limit).rounded(),
    )
