"""Checks of lesson 05: one step of training."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from qdvae_helpers.checks.verdict import exercise


class _Tiny(torch.nn.Module):
    """A QDVAE of three spins and four pixels that notes how it is asked."""

    def __init__(self) -> None:
        # Only here: the plugin takes a second to import, and no other check needs it.
        from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine

        super().__init__()
        dice = torch.Generator().manual_seed(4)
        self.encoder, self.decoder = torch.nn.Linear(4, 3), torch.nn.Linear(3, 4)
        self.grbm = GraphRestrictedBoltzmannMachine([0, 1, 2], [(0, 1), (1, 2)])
        for part in self.parameters():
            part.data = 0.8 * torch.randn(part.shape, generator=dice)
        self.asked: list[tuple[int, Any]] = []

    @property
    def parts(self) -> dict[str, torch.nn.Module]:
        return {"encoder": self.encoder, "decoder": self.decoder, "prior": self.grbm}

    def spins(self, logits: Tensor) -> Tensor:
        """Spins of the encoder, for those who take them for strings of the prior."""
        return 2.0 * torch.bernoulli(logits.sigmoid()) - 1

    def forward(
        self, images: Tensor, draws: int = 1, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        self.asked.append((draws, generator))
        logits = self.encoder(images.flatten(1))
        dice = generator if isinstance(generator, torch.Generator) else None
        u = torch.rand((len(images), max(1, draws), 3), generator=dice)
        spins = torch.tanh(logits.unsqueeze(1) + torch.logit(u, eps=1e-6))
        return logits, spins, self.decoder(spins).unflatten(-1, (1, 2, 2))


class _Chains:
    """Strings in place of a sampler's, other ones at each call; notes what was called."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def sample(self, *args: Any, **options: Any) -> Tensor:
        return self._strings("sample(...)" if args or options else "sample()")

    def restart(self, *args: Any) -> Tensor:
        return self._strings("restart")

    def fresh(self) -> Tensor:
        return self._strings("fresh")

    def more(self) -> Tensor:
        return self._strings("more")

    def _strings(self, name: str) -> Tensor:
        self.called.append(name)
        dice = torch.Generator().manual_seed(len(self.called))
        return 2.0 * torch.randint(2, (4, 3), generator=dice) - 1


class _Terms(NamedTuple):
    """What a loss is made of, for a batch."""

    distortion: Tensor
    entropy: Tensor
    energy: Tensor  #: of the encoder's mean spins
    one_draw: Tensor  #: of its relaxed spins
    hard: Tensor  #: of these made hard, straight-through
    prior: Tensor  #: mean energy of the prior's strings


_Loss = Callable[[_Terms, float], Tensor]
_Step = Callable[..., Any]


def _terms(model: _Tiny, batch: Tensor, strings: Tensor, chance: torch.Generator) -> _Terms:
    logits, spins, pixels = model(batch, 1, chance)
    wrong = binary_cross_entropy_with_logits(pixels[:, 0], batch, reduction="sum") / len(batch)
    entropy = (softplus(logits) - logits * logits.sigmoid()).sum(1).mean()
    hard = spins[:, 0] + (spins[:, 0].sign() - spins[:, 0]).detach()
    prior = model.grbm(strings).mean()
    energies = [model.grbm(s).mean() for s in (torch.tanh(logits / 2), spins[:, 0], hard)]
    return _Terms(wrong, entropy, *energies, prior)


def _elbo(t: _Terms, w: float) -> Tensor:
    return t.distortion + w * (t.energy - t.entropy - t.prior)


def _step(
    loss_of: _Loss = _elbo,
    clear: tuple[int, ...] = (0, 1),
    move: tuple[int, ...] = (0, 1),
    early: bool = False,
    fixed: bool = False,
) -> _Step:
    """A step with another loss, or with optimisers that do less; the right one by default.

    ``early``: the optimisers step with the gradients of the step before; ``fixed``: what reaches
    the prior does not reach the encoder, as in the NLL.
    """

    def step(model, chains, optimisers, batch, w, chance):
        for k in move if early else ():
            optimisers[k].step()
        terms = _terms(model, batch, chains.sample(), chance)
        loss = loss_of(terms, w)
        for k in clear:
            optimisers[k].zero_grad()
        if fixed:  # the prior's gradient from the loss, the networks' from the distortion alone
            prior = list(model.grbm.parameters())
            grads = torch.autograd.grad(loss, prior, retain_graph=True)
            terms.distortion.backward()
            for weights, grad in zip(prior, grads, strict=True):
                weights.grad = grad
        else:
            loss.backward()
        for k in () if early else move:
            optimisers[k].step()
        return loss.detach()

    return step


_STALE = "each step needs strings of the prior as it is *now*: call `chains.sample()` in each step."
_NLL = "as with the NLL, the encoder never feels the price of its spins: detach nothing in the KL."
_PULLED = "the encoder's entropy is missing: its energy alone draws all images to one string."

#: Wrong steps, each with what to say of an answer that does the same.
_WRONG: list[tuple[_Step, str]] = [
    (_step(move=(0,)), "the prior never moves: its optimiser must `step()`, too."),
    (_step(move=(1,)), "the networks never move: their optimiser must `step()`, too."),
    (_step(clear=()), "gradients pile up from step to step: `zero_grad()` before `backward()`."),
    (_step(clear=(0,)), "the prior's gradients pile up: `zero_grad()` both optimisers."),
    (_step(clear=(1,)), "the networks' gradients pile up: `zero_grad()` both optimisers."),
    (
        _step(early=True),
        "the optimisers use the gradients of the step before: `backward()` first, then `step()`.",
    ),
    (
        _step(early=True, clear=()),
        "the optimisers step before `backward()`, and gradients pile up: zero, backward, step.",
    ),
    (_step(lambda t, w: t.distortion), "the KL is missing: without it the prior learns nothing."),
    (
        _step(lambda t, w: w * (_elbo(t, 1) - t.distortion)),
        "the reconstruction is missing: without it the decoder learns nothing.",
    ),
    (_step(lambda t, w: _elbo(t, 1)), "the weight `w` is forgotten: it multiplies the KL."),
    (_step(lambda t, w: w * _elbo(t, 1)), "`w` multiplies the KL alone, not the reconstruction."),
    (
        _step(lambda t, w: w * t.distortion + _elbo(t, 1) - t.distortion),
        "`w` multiplies the KL, not the reconstruction.",
    ),
    (_step(lambda t, w: _elbo(t, -w)), "wrong sign: the KL is a price, so it is added."),
    (
        _step(lambda t, w: -_elbo(t, -w)),
        "wrong sign of the reconstruction: it is a loss, make it small.",
    ),
    (
        _step(lambda t, w: -_elbo(t, w)),
        "wrong sign: optimisers go downhill, so give them the loss, not minus the loss.",
    ),
    *((_step(lambda t, w, k=k: t.distortion + w * (t[k] - t.prior)), _PULLED) for k in (2, 3, 4)),
    *(
        (_step(lambda t, w, k=k: t.distortion + w * (t[k] - t.prior), fixed=True), _NLL)
        for k in (2, 3, 4)
    ),
    (
        _step(lambda t, w: t.distortion + w * (t.energy - t.entropy)),
        "nothing stands for log Z: the prior's own strings, from `chains`, must enter the KL.",
    ),
]

_BATCHES = tensor([[0.0, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 0], [0, 1, 0, 1], [0, 0, 1, 1]])
_WEIGHTS = (0.5, 4.0, 2.0)  # one per step


class _Run:
    """Three steps from one start, each with a batch and a weight of its own, and what they leave.

    Attributes:
        states: all parameters at the start and after each step.
        losses: what the steps have returned.
        problem: what is wrong with the way in which model, chains and batch were used.
    """

    def __init__(self, step: _Step) -> None:
        self.model, chains = _Tiny(), _Chains()
        chance = torch.Generator().manual_seed(0)
        networks = [*self.model.encoder.parameters(), *self.model.decoder.parameters()]
        optimisers = (
            torch.optim.SGD(networks, lr=0.3),
            torch.optim.SGD(self.model.grbm.parameters(), lr=0.1),
        )
        self.losses, self.states, self.problem = [], [self._state()], None
        for k, w in enumerate(_WEIGHTS):
            batch = _BATCHES[k : k + 3].reshape(3, 1, 2, 2).clone()
            self.losses.append(step(self.model, chains, optimisers, batch, w, chance))
            self.states.append(self._state())
            if not self.model.training:
                self.problem = "the model is in evaluation mode while it learns: no `.eval()` here."
            if not batch.flatten(1).equal(_BATCHES[k : k + 3]):
                self.problem = "your function changed the batch: work on a copy."
            self.problem = self.problem or _misuse(self.model, chains, chance, k + 1)

    def _state(self) -> Tensor:
        return torch.cat([weights.detach().flatten() for weights in self.model.parameters()])

    def like(self, other: "_Run") -> bool:
        """Whether all parameters took the same way."""
        pairs = zip(self.states, other.states, strict=True)
        return all(torch.allclose(a, b, 1e-4, 1e-5) for a, b in pairs)

    def part_astray(self, other: "_Run") -> str:
        """The first part that the first step has left elsewhere than the other run's."""
        place = 0
        for name, part in self.model.parts.items():
            size = sum(weights.numel() for weights in part.parameters())
            own, right = (run.states[1][place : place + size] for run in (self, other))
            if not torch.allclose(own, right, 1e-4, 1e-5):
                return name
            place += size
        return ""


def _misuse(model: _Tiny, chains: _Chains, chance: torch.Generator, steps: int) -> str | None:
    """What is wrong with what the model and the chains were asked in so many steps."""
    if len(model.asked) != steps:
        return "send the batch through the model once in each step: `model(batch, 1, chance)`."
    draws, generator = model.asked[-1]
    if generator is not chance:
        return "draw the spins with the generator that is handed in: `model(batch, 1, chance)`."
    if draws != 1:
        return f"one draw per image is enough, you take {draws}: `model(batch, 1, chance)`."
    if len(chains.called) < steps:
        return _STALE
    if len(chains.called) > steps:
        return "the chains are asked more than once in a step: keep what `chains.sample()` returns."
    if chains.called[-1] == "sample(...)":
        return "call `chains.sample()` as it is: the number of sweeps is the sampler's own."
    if (name := chains.called[-1]) != "sample()":
        return f"`chains.{name}` begins anew: let the chains carry on with `chains.sample()`."
    return None


@exercise
def training_step(step: Callable) -> str | None:
    """``step(model, chains, optimisers, batch, w, chance)``: one step of training; the loss."""
    if not callable(step):
        return "hand over the function itself: its name, without brackets after it."
    try:
        yours, right = _Run(step), _Run(_step())
    except RuntimeError as error:
        if "modified by an inplace operation" not in str(error):
            raise
        return "the optimisers step between the loss and `backward()`: zero, backward, then step."
    if yours.problem:
        return yours.problem
    if all(state.equal(yours.states[0]) for state in yours.states):
        return "nothing has moved: `zero_grad()`, `backward()`, `step()`, in this order."
    if not yours.like(right):
        for wrong, why in _WRONG:
            if yours.like(_Run(wrong)):
                return why
        if part := yours.part_astray(right):
            return (
                f"after one step the {part} is not where it should be: look at the terms of the "
                "loss, and at what is detached."
            )
        return "the first step is right, but not those after it: what is left over from it?"
    for loss, expected in zip(yours.losses, right.losses, strict=True):
        if not isinstance(loss, Tensor | float) or torch.as_tensor(loss).numel() != 1:
            return "the step is right; return the loss, which is one number."
        asked, given = float(expected), float(torch.as_tensor(loss).detach())
        if abs(given - asked) > 1e-3:
            return f"the step is right, but the loss is {asked:.3f}, and you return {given:.3f}."
    return None
