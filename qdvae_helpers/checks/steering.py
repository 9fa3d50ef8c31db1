"""Checks of lesson 07: energies and wishes of a class, problems, clamps, Metropolis, masks."""

from collections.abc import Callable
from types import SimpleNamespace

import torch
from torch import Tensor, tensor

from qdvae_helpers.checks.verdict import Rows, Try, by_examples, exercise

_H, _W = [0.5, -1.0, 0.25], [[1.0, -0.5, 0.75], [-0.25, 2.0, -1.5]]
_J = {(0, 1): 1.5, (0, 2): -0.75}
_LONG = [0.5, 1.0, -2.0, 0.75], [[0.1, 0.2, 0.3, -0.4], [1.0, -0.7, 0.6, 0.3]]


@by_examples(
    (_H, _W, _J, [1, -1, -1], 1),
    (_H, _W, _J, [-1, -1, 1], 0),
    (_H, _W, {(0, 1): 0.5, (1, 2): -0.25}, [1, 1, -1], 0),
    (*_LONG, {(0, 3): -1.25, (1, 2): 0.5}, [-1, 1, -1, 1], 1),
)
def class_energy(h: list, W: list, J: dict, s: list, y: int) -> Rows:
    """``function(h, W, J, s, y)``: lists, a dict by pair, spins, a class; their energy."""

    def along(biases: list) -> float:
        return sum(a * b for a, b in zip(biases, s, strict=True))

    shared, own, other = along(h), along(W[y]), along(W[1 - y])
    couplers = sum(value * s[i] * s[j] for (i, j), value in J.items())
    right = shared + own + couplers
    yield right, "for s={s} in class {y} the energy is {right:g}, but you return {given:g}."
    yield own + couplers, "the shared biases h are forgotten: every class has them, too."
    yield shared + couplers, "the biases of the class are forgotten: add W[y][i] s_i."
    yield right + couplers, "the couplings are counted twice: each pair appears once in J."
    yield shared + own, "the couplings are forgotten: all classes share them, add J s s."
    yield -right, "the sign is reversed: in this series E is plus h s, plus W s, plus J s s."
    yield shared - own + couplers, "the biases of the class are added to h, not subtracted."
    yield shared + other + couplers, "that is the energy in the other class: `y` says which row."
    yield right + other, "you add the biases of all classes: only the row W[y] counts."
    yield right + own, "the biases of the class are counted twice."


_NAMES = ("1", "7", "3", "7", "0", "7", "1", "3", "0", "1")
_SHARES = tensor([0.02, 0.25, 0.05, 0.03, 0.1, 0.12, 0.13, 0.15, 0.05, 0.1])


class _Chains:
    """Chains in place of a sampler's: their strings are of no model, but tell their groups."""

    def __init__(self, num_samples: int) -> None:
        self.num_samples, self.drawn = num_samples, None
        self.called: list[tuple] = []
        self._classes = torch.arange(num_samples) % len(_NAMES)
        self.at_first = self._classes.clone()

    @property
    def classes(self) -> Tensor:
        return self._classes

    @classes.setter
    def classes(self, classes: Tensor) -> None:
        known = isinstance(classes, Tensor) and classes.dtype == torch.int64
        if not known or classes.shape != (self.num_samples,):
            raise ValueError("chains.classes must be a tensor with the number of a group per chain")
        if int(classes.min()) < 0 or int(classes.max()) >= len(_NAMES):
            raise ValueError(f"chains.classes: there are the groups 0 to {len(_NAMES) - 1} only")
        self._classes = classes.clone()

    def restart(self, sweeps: int = 3_000) -> Tensor:
        return self._draw("restart", sweeps)

    def sample(self, *args: int, **options: int) -> Tensor:
        return self._draw("sample", *args, *options.values())

    def fresh(self) -> Tensor:
        return self._draw("fresh")

    def _draw(self, *call: object) -> Tensor:
        self.called.append(call)
        self.of = self._classes.clone()
        bits = self.of.unsqueeze(1) // tensor([1, 2, 4, 8]) % 2
        dice = torch.Generator().manual_seed(len(self.called))
        more = torch.randint(2, (self.num_samples, 2), generator=dice)
        self.drawn = torch.cat([bits, more], 1) * 2.0 - 1
        return self.drawn


def _decode(spins: Tensor) -> Tensor:
    """Pictures ``(..., 1, 2, 3)`` in place of a decoder's."""
    return torch.sigmoid(spins * tensor([0.5, -1, 2, 1, -0.3, 0.7])).unflatten(-1, (1, 2, 3))


@exercise
def asked_for(wish: Callable) -> str | None:
    """``wish(model, chains, digit, sweeps)``: pictures drawn with the biases of a digit."""
    if not callable(wish):
        return "hand over the function itself: its name, without brackets after it."
    for digit, n, sweeps in (("7", 4_000, 30), ("1", 3_000, 20)):
        model = SimpleNamespace(
            class_names=_NAMES,
            grbm=SimpleNamespace(shares=_SHARES.clone()),
            decode=_decode,
            generate=lambda *args, **options: torch.zeros(0),  # asks no chains of the exercise
        )
        chains = _Chains(n)
        pictures = wish(model, chains, digit, sweeps)
        problem = _not_drawn(chains, sweeps) or _not_wished(chains, digit)
        if problem or (problem := _no_pictures(pictures, chains.drawn)):
            return problem
    return None


def _not_drawn(chains: _Chains, sweeps: int) -> str | None:
    """What is wrong with how the strings were drawn."""
    if not chains.called:
        return "no strings are drawn: start the chains anew, `chains.restart(sweeps)`."
    name, *asked = chains.called[-1]
    if name == "sample":
        return (
            "`sample` carries on from strings of other groups: start the chains anew, "
            "`chains.restart(sweeps)`."
        )
    if name != "restart" or asked != [sweeps]:
        return "hand on how long the chains have to run: `chains.restart(sweeps)`."
    return None


def _not_wished(chains: _Chains, digit: str) -> str | None:
    """What is wrong with the groups of the strings."""
    mine = tensor([name == digit for name in _NAMES])
    if chains.of.equal(chains.at_first):
        if chains.classes.equal(chains.at_first):
            return "nobody wished: the chains draw of their usual groups. Set `chains.classes`."
        return "the wish comes too late: set `chains.classes` before the strings are drawn."
    if (chains.of == int(digit)).all():
        return f"{digit} is a digit, not the number of a group: look for it in `class_names`."
    if not mine[chains.of].all():
        other = _NAMES[int(chains.of[~mine[chains.of]][0])]
        return f"a {digit} is wished, and some strings are drawn of a group of {other}."
    if len(used := chains.of.unique()) < mine.sum():
        return (
            f"{int(mine.sum())} groups belong to the digit, you use {len(used)}: it would be "
            "written in fewer ways than people do."
        )
    shares = torch.bincount(chains.of, minlength=len(_NAMES)) / len(chains.of)
    if (shares - mine * _SHARES / (mine * _SHARES).sum()).abs().max() > 0.05:
        return "draw the digit's groups as frequent as they were in training: `model.grbm.shares`."
    return None


def _no_pictures(pictures: object, drawn: Tensor) -> str | None:
    """What is wrong with what was returned."""
    if isinstance(pictures, Tensor) and pictures.shape == drawn.shape:
        return "these are spins: let the decoder paint them, `model.decode(...)`."
    right = _decode(drawn)
    if not isinstance(pictures, Tensor) or pictures.shape != right.shape:
        return "return the pictures, `model.decode` of the strings that were drawn."
    if not torch.allclose(pictures, right, atol=1e-5):
        return "return the pictures as they are: `model.decode` of the strings just drawn."
    return None


_NAN = float("nan")
_FREE = torch.full((6, 2), torch.nan)
_HELD = tensor([[1.0, _NAN], [1, _NAN], [1, -1], [_NAN, -1], [1, _NAN], [-1, _NAN], [1, -1]])

# The same values at other spins, and rows that a sum takes for each other.
_ELSEWHERE = tensor(
    [[1, _NAN, -1], [_NAN, 1, -1], [-1, _NAN, 1], [1, _NAN, -1], [1, 1, 1], [-1, -1, -1]]
)


@by_examples(
    (tensor([4, 4, 4, 4, 0, 0, 4]), _HELD),
    (tensor([4, 4, 0, 7, 0, 4]), _FREE),
    (tensor([2, 2, 2]), _HELD[[0, 1, 0]]),
    (tensor([1, 0, 0, 1, 3]), torch.cat([_HELD[[2, 3, 3, 0, 2]], _HELD[[2, 3, 3, 1, 5]]], 1)),
    (tensor([2, 2, 2, 2, 0, 2]), _ELSEWHERE),
    (tensor([3, 3, 3, 3]), tensor([[1, _NAN], [1, 1], [_NAN, -1], [-1, -1]])),
    (tensor([3, 3, 3]), tensor([[1, _NAN], [1, 1], [_NAN, _NAN]])),
)
def problems(groups: Tensor, clamps: Tensor) -> Rows:
    """``function(groups, clamps)``: how many different problems these strings are."""
    rows = [tuple(row) for row in clamps.nan_to_num(0).tolist()]
    pairs = list(zip(groups.tolist(), rows, strict=True))
    right, held = len(set(pairs)), [(y, tuple(map(bool, row))) for y, row in pairs]
    why = "for the groups {groups} and those clamps there are {right} problems, not {given}."
    yield right, why
    yield len(groups), "every string is counted: strings with equal group and clamps share one."
    yield len(set(groups.tolist())), "you count groups only: other clamps are another problem, too."
    yield len(set(rows)), "you count clamps only: another group has other biases."
    why = "you add or multiply the numbers of groups and of clamps: count the *pairs* that occur."
    yield len(set(groups.tolist())) * len(set(rows)), why
    yield len(set(groups.tolist())) + len(set(rows)), why
    values = [(y, tuple(v for v in row if v)) for y, row in pairs]
    why = "the same values at other spins are another problem: keep the places."
    yield len(set(values)), why
    for filled in (1, -1):
        other = [tuple(row) for row in clamps.nan_to_num(filled).tolist()]
        why = f"a free spin is neither +1 nor -1: replace NaN by another number than {filled}."
        yield len(set(zip(groups.tolist(), other, strict=True))), why
    yield len(set(held)), "a spin held at +1 and one held at -1 are different problems."
    plain = [(y, *row) for y, row in zip(groups.tolist(), clamps.tolist(), strict=True)]
    why = "NaN is not equal to NaN, so free spins look different in every row: replace NaN first."
    yield len(set(plain)), why


_NONE_ASKED = "k=0 must leave all spins free: `[-0:]` takes everything, `[:0]` nothing."
_CLASS = tensor([0.9, -0.1, 0.2, -0.8, 0.7, 0.1])
_REST = tensor([0.8, -0.2, 0.9, 0.6, -0.5, 0.1])


@by_examples(
    (_CLASS, _REST, 3),
    (_REST, _CLASS, 2),
    (tensor([-0.3, 0.2, 0.1, -0.9]), tensor([-0.9, 0.9, -0.7, -0.8]), 1),
    (tensor([0.2, 0.3, 0.25, -0.9, 0.4]), tensor([0.9, -0.1, 0.2, -0.8, 0.1]), 4),
)
def class_clamps(mine: Tensor, rest: Tensor, k: int) -> Rows:
    """``function(mean_class, mean_rest, k)``: the class's signs at k places, NaN elsewhere."""
    difference, sign = mine - rest, mine.sign()

    def clamps(values: Tensor, signed: bool = False, k: int = k) -> Tensor:
        places = (difference if signed else difference.abs()).argsort(descending=True)[:k]
        return torch.full_like(values, torch.nan).index_copy(0, places, values[places])

    right, signed, preferred = clamps(sign), clamps(sign, signed=True), clamps(difference.sign())
    yield right, "the k={k} places where {mine} and {rest} differ most are others: compare yours."
    yield signed, "take the *absolute* difference: falling spins tell as much as rising ones."
    yield clamps(mine), "a clamped spin is -1 or +1: take the sign of the mean."
    yield preferred, "that is the sign of the difference: take what the class itself prefers."
    for wrong in (rest.sign(), -sign):
        yield clamps(wrong), "these are values of the *rest*: take the sign of the class's mean."
    for fixed in (1, 2, 3):
        yield clamps(sign, k=fixed), "clamp as many spins as `k` says, which differs."
    yield clamps(sign, k=k + 1), "one spin too many is clamped: `[:k]` takes k of them."
    yield clamps(difference), "that is the difference itself: take the sign of the class's mean."
    least = difference.abs().argsort()[:k]
    wrong = torch.full_like(sign, torch.nan).index_copy(0, least, sign[least])
    yield wrong, "you clamp the spins that differ *least*: sort in descending order."
    strong = mine.abs().argsort(descending=True)[:k]
    wrong = torch.full_like(sign, torch.nan).index_copy(0, strong, sign[strong])
    yield wrong, "you clamp the surest spins of the class: the rest may be as sure of them."
    yield Try(mine, rest, 0), _NONE_ASKED
    yield lambda row: (row == 0).any(), "a free spin is NaN, not 0: 0 is no value of a spin."
    yield lambda row: not row.isnan().any(), "no spin is free: all places but k must stay NaN."
    yield lambda row: (~row.isnan()).sum() != k, "k={k} spins must be clamped, no more, no fewer."
    same = right.isnan()
    yield lambda row: torch.equal(row.isnan(), same), "take the sign of the class's own mean."


_NOW, _NEW = tensor([-3.0, -1.0, -2.0, 0.5, -40.0]), tensor([-2.0, -1.5, -2.7, -0.5, -900.0])
_DRAWS = tensor([0.9, 0.55, 0.6, 0.3, 0.001])


@by_examples(
    (_NOW, _NEW, _DRAWS),
    (_NEW, _NOW, _DRAWS),
    (tensor([2.0, 1.0, 1.0, -600]), tensor([1.0, 0.7, 3.0, -600.5]), tensor([0.4, 0.7, 0.99, 0.3])),
)
def accepted(current: Tensor, new: Tensor, draws: Tensor) -> Rows:
    """``function(current, new, draws)``: which proposals a Metropolis step accepts."""
    gain = new - current
    right = draws < gain.exp()
    why = "scores {current} to {new} with draws {draws}: {right} is expected (1: accepted)."
    yield right, why
    for other in (gain.exp(), gain.exp().clamp(max=1)):
        yield other, "these are the probabilities: compare the draws with them."
    yield gain > 0, "only better strings are accepted: a worse one needs its chance, too."
    yield ~right, "turned round: accept where the draw lies *below* the probability."
    yield draws < (-gain).exp(), "the sign is turned: a higher score is better, new - current."
    yield draws < gain, "compare with exp(new - current), or the logarithm of the draws."
    yield draws.log() < gain.exp(), "take the logarithm of the draws or the exponential, not both."
    yield draws < new.exp() / current.exp(), "exp(-600) is 0 to a computer: subtract, then exp."
    yield draws < new.exp(), "only the *change* of the score counts: new - current."
    yield (
        draws < gain.sigmoid(),
        "that is the rule of Gibbs sampling: right, but min(1, exp) is asked.",
    )
    yield (draws < 0.5), "the draws decide, by the change of the score: compare the two."


@exercise
def few_pixels(answer: dict) -> str | None:
    """``{"mask": which pixels are known, "measure": of a mask, "upper half": another mask}``."""
    mask, measure = answer["mask"], answer["measure"]
    if not isinstance(mask, Tensor) or mask.shape != (28, 28) or mask.dtype != torch.bool:
        return "the mask must be a tensor of True and False, shape (28, 28)."
    if not mask.any():
        return "nothing is known: give away some pixels, `mask[row, column] = True`."
    if (known := int(mask.sum())) > 100:
        return f"{known} pixels are known: 100 are allowed."
    yours, half = measure(mask), measure(answer["upper half"])
    if not yours < half:
        return (
            f"{yours:.1f} pixels are wrong on average, from the upper half {half:.1f}: neighbours "
            "say much the same, so what do pixels in one block tell that others do not?"
        )
    return None
