"""Checks of lesson 01: parameters, a loss, a training loop, codes, the price of a Gaussian."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn, tensor

from qdvae_helpers.checks.verdict import Rows, VerdictError, by_examples, exercise


@by_examples(([3, 2],), ([4, 3, 5],), ([784, 256, 128, 2],))
def count_parameters(widths: list[int]) -> Rows:
    """``function(widths)``: weights and biases of linear layers of these widths."""
    weights, first, last = sum(a * b for a, b in itertools.pairwise(widths)), widths[0], widths[-1]
    every = weights + sum(widths)
    yield every - first, "widths {widths} have {right} parameters, you count {given}."
    yield weights, "widths {widths}: the weights are right, now add the biases."
    yield every - last, "a layer has one bias for each of its outputs, not of its inputs."
    yield every, "the input has no bias: biases belong to the outputs of a layer."


def _batch(n: int, side: int, seed: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    shape = (n, 1, side, side)
    return torch.rand(shape, generator=g) * 0.8 + 0.1, torch.rand(shape, generator=g)


@by_examples(
    _batch(2, 28, 0), _batch(3, 28, 1), form="one number is asked for, the mean over the images."
)
def batch_loss(brightness: Tensor, images: Tensor) -> Rows:
    """``function(brightness, images)``: cross-entropy in nats per image."""
    each = -(images * brightness.log() + (1 - images) * (1 - brightness).log())
    right, pixels = each.sum() / len(images), each[0].numel()
    exchanged = -(brightness * images.log() + (1 - brightness) * (1 - images).log())
    ink = -(images * brightness.log())
    yield right, "for these images it is {right:.3f} nats per image, yours is {given:.3f}."
    yield right / pixels, "this is a mean over pixels: sum over the pixels of an image first."
    yield each.sum(), "this is a sum over all images: average over them."
    yield -right, "the sign is wrong: a surprise is minus a logarithm, and never negative."
    yield (
        exchanged.sum() / len(images),
        "guess and truth are exchanged: the guess is in the logarithm.",
    )
    yield ink.sum() / len(images), "paper counts, too: add (1 - image) times log(1 - brightness)."
    yield (each - ink).sum() / len(images), "ink counts, too: add image times log(brightness)."
    squares = (brightness - images).square().sum() / len(images)
    yield squares, "these are squared errors: the cross-entropy is asked for."


class _Mirror(nn.Module):
    """Three numbers through one and back; notes in which mode it is used."""

    def __init__(self) -> None:
        super().__init__()
        self.inward = nn.Parameter(tensor([[0.5], [-0.3], [0.2]]))
        self.outward = nn.Parameter(tensor([[0.4, 0.1, -0.6]]))
        self.modes: list[bool] = []

    def forward(self, batch: Tensor) -> Tensor:
        self.modes.append(self.training)
        return batch @ self.inward @ self.outward


class _Witness(torch.optim.SGD):
    """An optimiser that notes the gradients of each of its steps."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model.parameters(), lr=0.1)
        self.seen: list[list[Tensor | None]] = []
        self.left = self._weights()  # as the last step left them

    def _weights(self) -> list[Tensor]:
        return [part.detach().clone() for part in self.param_groups[0]["params"]]

    def moved(self) -> bool:
        """Whether somebody else has changed the weights since."""
        return not _same(self._weights(), self.left)

    def step(self, closure: Callable | None = None) -> Any:
        """One step; a closure is called once, before."""
        loss = closure() if closure else None
        parts = self.param_groups[0]["params"]
        self.seen.append([None if p.grad is None else p.grad.clone() for p in parts])
        super().step()
        self.left = self._weights()
        return loss


class _Loop:
    """What a learner's loop did with the model, the optimiser, the loss and the batches."""

    def __init__(self) -> None:
        self.model = _Mirror()
        self.optimizer = _Witness(self.model)
        self.batches: list[Tensor] = []  # each handed to the loss
        self.true: list[list[Tensor]] = []  # its gradients, had they been asked for at once
        self.values: list[float] = []  # its loss
        self.steps: list[int] = []  # steps taken before it
        self.pushes: list[float] = []  # with which factor `backward` was called
        self.moved = False  # whether weights changed without the optimiser

    def loss_of(self, model: nn.Module, batch: Tensor) -> Tensor:
        if not (isinstance(model, nn.Module) and isinstance(batch, Tensor)):
            raise VerdictError("`loss_of` takes the model, then one batch: loss_of(model, batch).")
        if model is not self.model:
            raise VerdictError("`loss_of` gets another model: give it the one that is handed in.")
        self.moved = self.moved or self.optimizer.moved()
        with torch.enable_grad():
            own = (model(batch) - batch).square().sum(1).mean()
        self.true.append(list(torch.autograd.grad(own, list(self.model.parameters()))))
        loss = (model(batch) - batch).square().sum(1).mean()
        self.batches.append(batch.detach().clone())
        self.values.append(loss.item())
        self.steps.append(len(self.optimizer.seen))
        if loss.requires_grad:
            loss.register_hook(lambda slope: self.pushes.append(float(slope)))
        return loss

    def problem(self, train: Callable, batches: list[Tensor], handed: Iterable) -> str | None:
        """What is wrong with a run over some batches, or ``None``."""
        for noted in (self.batches, self.true, self.values, self.steps, self.pushes):
            noted.clear()
        self.optimizer.seen.clear()
        self.model.modes.clear()
        try:
            losses = train(self.model, self.optimizer, self.loss_of, handed)
        except (RuntimeError, TypeError, IndexError, KeyError, AttributeError) as error:
            if why := self._why_it_stopped(str(error)):
                return why
            raise
        return self._fault(batches) or self._fault_of_steps() or _fault_of_losses(self, losses)

    def _why_it_stopped(self, said: str) -> str | None:
        if "does not require grad" in said or "has no attribute 'backward'" in said:
            why = "`backward` finds no gradient: call it on the loss itself, before any `.item()`"
            return f"{why} or `.detach()`, and not under `no_grad`."
        if "backward through the graph a second time" in said:
            return "one loss is used for two `backward` calls: compute it anew from each batch."
        if "modified by an inplace operation" in said:
            return "the optimiser steps between a loss and its `backward`: call that first."
        if any(part in said for part in ("not subscriptable", "has no len()", "'generator'")):
            return "`batches` can only be walked through, once: for batch in batches."
        if not self.values:
            return f"it stopped before `loss_of` was called, the loss that is handed in: {said}"
        return None

    def _fault(self, batches: list[Tensor]) -> str | None:
        """Which batches reached the loss, and in which mode."""
        if not self.values:
            return "`loss_of(model, batch)` is never called: take the loss that is handed in."
        if not all(self.model.modes):
            return "the model is in evaluation mode while it learns: no `.eval()` in the loop."
        used = [[k for k, b in enumerate(batches) if torch.equal(b, seen)] for seen in self.batches]
        if any(not places for places in used):
            return "the loss gets something that is no batch: loss_of(model, batch), unchanged."
        used = [places[0] for places in used]
        if len(set(used)) == 1 < len(used):
            return "the same batch comes every time: use the one that the loop has just taken."
        if used == [0]:
            return "only the first batch is used: is the `return` inside the loop?"
        if used != list(range(len(batches))):
            twice = [k for k in range(len(batches)) if used.count(k) > 1]
            if twice:
                return "a batch reaches the loss more than once: one loss per step, please."
            return f"of {len(batches)} batches {len(set(used))} are used: take all, in their order."
        return None

    def _fault_of_steps(self) -> str | None:
        """Whether each step moved down the slope of its own batch's loss."""
        count, seen = len(self.values), self.optimizer.seen
        if not seen:
            return "the optimiser that is handed in never steps: `optimizer.step()` for each batch."
        if not self.pushes:
            return "no gradient is ever computed: call `loss.backward()` before the step."
        if len(seen) != count:
            return f"{count} batches are {count} steps, you take {len(seen)}: one for each batch."
        if self.steps == list(range(1, count + 1)):
            return "each step comes before the loss of its batch: call `backward`, then `step`."
        if self.steps != list(range(count)):
            return "losses of later batches are computed before a step: finish one step first."
        if len(self.pushes) != count:
            why = f"`backward` is called {len(self.pushes)} times for {count} batches"
            return f"{why}: once for each loss."
        if any(abs(push - 1) > 1e-4 for push in self.pushes):
            why = "the loss is changed before `backward`"
            return f"{why}: it is an average over the batch already, and it goes *down* as it is."
        sums = [torch.zeros_like(part) for part in self.true[0]]
        piled = True
        for k, (found, true) in enumerate(zip(seen, self.true, strict=True)):
            sums = [a + b for a, b in zip(sums, true, strict=True)]
            piled = piled and _same(found, sums)
            if _same(found, true):
                continue
            if all(g is None or not g.any() for g in found):
                early = "the gradients are empty when the optimiser steps: `backward` comes before"
                return f"{early} `step`, and nothing between the two empties them."
            if piled and k:
                return "gradients pile up over the batches: `optimizer.zero_grad()` in every step."
            return "a step does not follow the slope of its batch's loss: do not touch gradients."
        if self.moved or self.optimizer.moved():
            return "weights also change without the optimiser: leave them to `optimizer.step()`."
        return None


def _same(found: list[Tensor | None], wanted: list[Tensor]) -> bool:
    pairs = zip(found, wanted, strict=True)
    return all(a is not None and torch.allclose(a, b, 1e-4, 1e-6) for a, b in pairs)


def _fault_of_losses(loop: _Loop, losses: Any) -> str | None:
    """What is wrong with what the loop returned."""
    right = loop.values
    if isinstance(losses, Tensor) and losses.shape == (len(right),) and not losses.requires_grad:
        losses = losses.tolist()
    if not isinstance(losses, (list, tuple)):
        found = "one number" if isinstance(losses, (Real, Tensor)) else f"a {type(losses).__name__}"
        return f"the training is right; return a list of all {len(right)} losses, not {found}."
    if any(isinstance(loss, Tensor) and loss.requires_grad for loss in losses):
        return "the training is right, but each loss keeps its whole graph: store `loss.item()`."
    if len(losses) != len(right):
        why = "the training is right, but the list holds"
        return f"{why} {len(losses)} losses for {len(right)} batches: one for each batch."
    given = [float(loss) for loss in losses]
    if all(math.isclose(a, b, rel_tol=1e-4) for a, b in zip(given, right, strict=True)):
        return None
    return "the training is right, but the list does not hold the losses that `loss_of` returned."


def _batches(sizes: tuple[int, ...], seed: int) -> list[Tensor]:
    g = torch.Generator().manual_seed(seed)
    return [torch.randn(size, 3, generator=g) for size in sizes]


@exercise
def training_loop(train: Callable[..., Any]) -> str | None:
    """``function(model, optimizer, loss_of, batches)``: trains the model, returns all losses.

    Tried on a list of batches, then, with the same model, on other ones that can be walked through
    only once.  What the loop did is read from the gradients that the optimiser finds at each step.
    """
    if not callable(train):
        return "hand over the function itself: its name, without brackets after it."
    loop = _Loop()
    for sizes, seed, once in (((4, 2, 5), 0, False), ((3, 3, 6, 2, 4), 1, True)):
        batches = _batches(sizes, seed)
        handed = [batch.clone() for batch in batches]
        handed_over: Iterator | list = (batch for batch in handed) if once else list(handed)
        if problem := loop.problem(train, batches, handed_over):
            return problem
        if not all(torch.equal(a, b) for a, b in zip(batches, handed, strict=True)):
            return "your loop changes the images of its batches: leave them as they are."
    return None


@by_examples(
    (tensor([0.0, 10.0]), tensor([4.0, -10.0]), 5),
    (tensor([1.0, 2.0, -1.0]), tensor([0.0, 5.0, 1.0]), 4),
)
def interpolate(a: Tensor, b: Tensor, n: int) -> Rows:
    """``function(a, b, n)``: n equally spaced points on the line from a to b, both included."""
    line = a + torch.linspace(0, 1, n).unsqueeze(1) * (b - a)
    yield line, "both ends are right, but the points between are not equally spaced on the line."
    yield line.flip(0), "your line runs from b to a: the first point must be a."
    why = "the first point must be a, which is {a}; yours is {given[0]}."
    yield lambda given: not torch.allclose(given[0], a.double(), atol=1e-4), why
    why = "the last point must be b: the weight has to reach 1 (use n - 1 steps, not n)."
    yield lambda given: not torch.allclose(given[-1], b.double(), atol=1e-4), why


@by_examples(
    (
        tensor([1.0, -2.0], requires_grad=True),
        tensor([0.0, 2.0], requires_grad=True),
        tensor([0.5, -1.0]),
    ),
    (
        tensor([[0.5], [3.0]], requires_grad=True),
        tensor([[-1.0], [1.0]], requires_grad=True),
        tensor([[2.0], [0.3]]),
    ),
)
def reparameterise(mean: Tensor, log_v: Tensor, noise: Tensor) -> Rows:
    """``function(mean, log_variance, noise)``: the code, differentiable in the first two."""
    code, wide, log = (mean + s * noise for s in ((log_v / 2).exp(), log_v.exp(), log_v))
    yield code, "mean {mean}, log_variance {log_v}, noise {noise}: {right}, yours is {given}."
    yield wide, "you multiply the noise by the variance: take its root, exp(log_variance / 2)."
    yield log, "log_variance is a logarithm: turn it into a standard deviation first."
    yield code.detach(), "the value is right, but no gradient reaches mean and log_variance."


@by_examples((0.0, 1.0), (2.0, 1.0), (0.0, 0.25), (-1.0, 3.0))
def gaussian_kl_by_hand(mean: float, variance: float) -> Rows:
    """``function(mean, variance)``: KL of one Gaussian from the standard normal, in nats."""
    said = "mean {mean:g}, variance {variance:g}: {right:.4f} nats, yours {given:.4f}."
    log = math.log(variance)
    right = (mean**2 + variance - 1 - log) / 2
    squared = (mean**2 + variance**2 - 1 - 2 * log) / 2
    reverse = ((mean**2 + 1) / variance - 1 + log) / 2
    yield right, said
    yield 2 * right, f"{said} Twice too much: the half is missing."
    yield -right, f"{said} The sign is wrong: a divergence is never negative."
    yield squared, f"{said} You square the second argument, but it is the variance already."
    yield right + 0.5, f"{said} The -1 is missing: the prior itself must cost nothing."
    yield right + log, f"{said} The logarithm has the wrong sign."
    yield reverse, f"{said} This is KL(prior || q): average over q, not over the prior."


@exercise
def own_draws(draw: Callable[[Tensor, int], Tensor]) -> str | None:
    """``function(codes, n)``: new codes ``(n, d)`` that lie where given ones do, and are not these.

    Tried on two islands of unlike size, in two and in three dimensions, with other numbers of
    draws than of codes.
    """
    if not callable(draw):
        return "hand over the function itself: its name, without brackets after it."
    for d, n, seed in ((2, 400, 0), (3, 90, 1)):
        g = torch.Generator().manual_seed(seed)
        islands = [torch.randn(150, d, generator=g) + 12, torch.randn(50, d, generator=g) - 12]
        codes = torch.cat(islands)
        given = codes.clone()
        new = draw(given, n)
        if not isinstance(new, Tensor) or new.shape != (n, d):
            found = tuple(new.shape) if isinstance(new, Tensor) else f"a {type(new).__name__}"
            return f"a tensor ({n}, {d}) is asked for, one code per row; yours is {found}."
        if not torch.equal(given, codes):
            return "your function changed the codes that it was given: work on a copy."
        if not new.isfinite().all():
            return "some of the new codes are not finite numbers."
        if len(new.unique(dim=0)) < n:
            return "some of your codes are equal: each draw needs chance of its own."
        new = new.to(codes.dtype)
        exactly = "donot_use_mm_for_euclid_dist"
        away = torch.cdist(new, codes, compute_mode=exactly).min(1).values
        if (away < 1e-6).any():
            return "some of your codes are codes that were given: move them a little."
        if (away > 4).float().mean() > 0.05:
            return "more than one in twenty falls into empty places: stay near the given codes."
        large = float((new.mean(1) > 0).float().mean())
        if not 0 < large < 1:
            return "one of the two islands is never reached: digits live on both."
        if not 0.6 < large < 0.9:
            why = "three quarters of the codes lie on one island, but of your draws"
            return f"{why} {large:.0%}: islands should be reached as often as they are inhabited."
        if (new[new.mean(1) > 0].mean(0) - islands[0].mean(0)).abs().max() > 0.8:
            return "your draws lie beside the island's middle: noise must not move it."
        if new[new.mean(1) > 0].std(0).min() < 0.5:
            return "your draws crowd into one place of an island: reach all of it."
        if torch.equal(new, draw(codes.clone(), n)):
            return "the same codes come out again: draw anew each time, without a fixed seed."
    return None
