"""A Boltzmann machine with biases for each class of images (taught in lessons 05 and 07).

The prior of an image of class ``y`` has the fields ``h + W[y]`` and the couplings that all classes
share: ``E_y(s) = sum_i (h_i + W_yi) s_i + sum_ij J_ij s_i s_j``.  Every class is a problem on the
same qubits and couplers, so a QPU is asked once per class, with other biases; a clamp would need
one submission for every string.  The prior of all images is the mixture ``sum_y share_y p(s | y)``.

Classes are labels, or clusters that were found without any (:meth:`ImageSet.clustered`).  A plain
GRBM of the plugin is the case of one class, and every function here takes it as such.

Sources: biases that depend on the input are the oldest way to condition a Boltzmann machine
(conditional restricted Boltzmann machines: Taylor, Hinton and Roweis 2006); a mixture whose
components share couplings: Nair and Hinton 2008, "Implicit mixtures of restricted Boltzmann
machines".
"""

import math
from collections.abc import Iterator, Sequence

import torch
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine
from torch import nn

from qdvae_helpers.arguments import require_count, require_grbm
from qdvae_helpers.errors import QdvaeError, SettingError

#: What a person may ask for, see :func:`wanted_classes`.
Wish = str | int | Sequence[str | int] | torch.Tensor | None
#: Of one prior; a recording keeps the class of a string in a byte.
MOST_CLASSES = 256


class ClassBoltzmannMachine(GraphRestrictedBoltzmannMachine):
    """The plugin's Boltzmann machine with further biases for each class.

    Called with spins it gives the energy without any class, as the plugin does; for that of a class
    see :func:`energies_of` and :func:`of_class`.

    Args:
        nodes, edges: of the graph.
        n_classes: 2 to 256; of one class a plain GRBM is the prior.

    Attributes:
        class_biases: ``(K, n)``, one row per class, zero at first.
        shares: ``(K,)``, how frequent each class is among the images; equal at first.

    Raises:
        SettingError: fewer than 2 classes, or more than 256.
    """

    def __init__(self, nodes, edges, n_classes: int) -> None:
        super().__init__(nodes, edges)
        n_classes = require_count("n_classes", n_classes, 2, MOST_CLASSES)
        self.class_biases = nn.Parameter(torch.zeros(n_classes, self.n_nodes))
        self.register_buffer("shares", torch.full((n_classes,), 1 / n_classes))


def n_classes(grbm: GraphRestrictedBoltzmannMachine) -> int:
    """How many classes a prior knows; 1 for a plain GRBM."""
    return len(grbm.class_biases) if isinstance(grbm, ClassBoltzmannMachine) else 1


def class_fields(grbm: GraphRestrictedBoltzmannMachine) -> torch.Tensor:
    """The fields of each class, ``(K, n)``: ``h + W[y]``."""
    if isinstance(grbm, ClassBoltzmannMachine):
        return grbm.linear + grbm.class_biases
    return grbm.linear.unsqueeze(0)


def class_shares(grbm: GraphRestrictedBoltzmannMachine) -> torch.Tensor:
    """How frequent each class is, ``(K,)``; together 1."""
    return grbm.shares if isinstance(grbm, ClassBoltzmannMachine) else grbm.linear.new_ones(1)


def of_class(
    grbm: GraphRestrictedBoltzmannMachine, y: int = 0, error: type[QdvaeError] = SettingError
) -> GraphRestrictedBoltzmannMachine:
    """One class as a plain Boltzmann machine of its own, a copy: for enumeration, or a device.

    A plain GRBM has the class 0 only.  Raises ``error`` where there is no such class.
    """
    y = require_count("class", y, 0, n_classes(require_grbm(grbm, error)) - 1, error)
    alone = require_grbm(GraphRestrictedBoltzmannMachine(grbm.nodes, grbm.edges), error)
    alone = alone.to(grbm.linear)
    alone.linear.data = class_fields(grbm)[y].detach().clone()
    alone.quadratic.data = grbm.quadratic.detach().clone()
    return alone


def require_classes(
    name: str,
    classes: torch.Tensor,
    grbm: GraphRestrictedBoltzmannMachine,
    rows: int | None = None,
    error: type[QdvaeError] = SettingError,
) -> torch.Tensor:
    """One class a row: whole numbers ``(rows,)`` from 0 to K - 1, as int64 beside the prior."""
    most = n_classes(grbm)
    if (
        not isinstance(classes, torch.Tensor)
        or classes.dim() != 1
        or classes.dtype not in (torch.uint8, torch.int16, torch.int32, torch.int64)
    ):
        shape = (
            tuple(classes.shape) if isinstance(classes, torch.Tensor) else type(classes).__name__
        )
        raise error(f"{name} must be a tensor of whole numbers (rows,), one class each: {shape}.")
    if rows is not None and len(classes) != rows:
        raise error(f"{name}: {len(classes):,} classes for {rows:,} rows: give one each.")
    classes = classes.long()
    if len(classes) and not (int(classes.min()) >= 0 and int(classes.max()) < most):
        raise error(
            f"{name}: from {int(classes.min())} to {int(classes.max())}, where this prior has the "
            f"classes 0 to {most - 1}."
        )
    return classes.to(grbm.linear.device)


def even_classes(n: int, grbm: GraphRestrictedBoltzmannMachine) -> torch.Tensor:
    """``n`` classes, equally many of each as far as that goes: for chains in training."""
    return torch.arange(n, device=grbm.linear.device) % n_classes(grbm)


def usual_classes(
    n: int,
    grbm: GraphRestrictedBoltzmannMachine,
    generator: torch.Generator | None = None,
    among: torch.Tensor | None = None,
) -> torch.Tensor:
    """``n`` classes as frequent as the shares say, each within one of its due (systematic).

    Args:
        n: how many.
        grbm: the prior.
        generator: of the place where counting begins; without one it begins in the middle.
        among: classes that may be taken, int64; all if left out.

    Returns:
        ``(n,)`` int64 in ascending order.
    """
    shares = class_shares(grbm).detach().cpu().double()
    if among is not None:
        kept = torch.zeros_like(shares)
        kept[among.cpu()] = shares[among.cpu()]
        shares = (
            kept
            if float(kept.sum()) > 0
            else torch.zeros_like(shares).index_fill(0, among.cpu(), 1.0)
        )
    offset = 0.5
    if generator is not None:
        offset = float(torch.rand(1, generator=generator, device=generator.device))
    return systematic(n, shares / shares.sum(), offset).to(grbm.linear.device)


def systematic(n: int, shares: torch.Tensor, offset: float) -> torch.Tensor:
    """``n`` choices in ascending order, each within one of its share times ``n``.

    ``shares`` are float64, together 1; ``offset``, from 0 to 1, is the place where counting begins.
    """
    points = (torch.arange(n).double() + offset) / n
    # The last one with a share, not a later one that has none, takes what rounding leaves.
    last = int(shares.nonzero().max())
    return torch.searchsorted(shares.cumsum(0), points, right=True).clamp(max=last)


def row_weights(
    classes: torch.Tensor | None, grbm: GraphRestrictedBoltzmannMachine
) -> torch.Tensor | None:
    """Weights ``(M,)`` of mean 1 that make strings of these classes as frequent as the shares say.

    Chains in training are equally many for each class, images are not.
    """
    if classes is None or n_classes(grbm) == 1:
        return None
    counts = torch.bincount(classes, minlength=n_classes(grbm)).to(grbm.linear)
    return (class_shares(grbm) * len(classes) / counts.clamp(min=1)).index_select(0, classes)


def class_sums(
    rows: torch.Tensor, classes: torch.Tensor, grbm: GraphRestrictedBoltzmannMachine
) -> torch.Tensor:
    """Sums ``(K, width)`` of the rows of each class."""
    return rows.new_zeros(n_classes(grbm), rows.shape[1]).index_add(0, classes, rows)


def energies_of(
    grbm: GraphRestrictedBoltzmannMachine, spins: torch.Tensor, classes: torch.Tensor | None = None
) -> torch.Tensor:
    """The energy ``(B,)`` of each string ``(B, n)`` in its own class."""
    if classes is None:
        return grbm(spins)
    if n_classes(grbm) == 1:
        return grbm(spins)
    return grbm(spins) + (spins * grbm.class_biases.index_select(0, classes)).sum(-1)


def log_prior(
    grbm: GraphRestrictedBoltzmannMachine, spins: torch.Tensor, log_z: torch.Tensor
) -> torch.Tensor:
    """``log p(s) = log sum_y share_y exp(-E_y(s)) / Z_y`` of strings ``(B, n)``, as ``(B,)``.

    ``log_z`` holds a number per class, ``(K,)``.
    """
    shared = grbm(spins)
    if n_classes(grbm) == 1:
        return -shared - log_z
    by_class = -spins @ grbm.class_biases.T + class_shares(grbm).log() - log_z
    return torch.logsumexp(by_class, 1) - shared


def require_labels(labels: torch.Tensor, grbm: GraphRestrictedBoltzmannMachine) -> torch.Tensor:
    """The class of each training image, ``(N,)``; SettingError if some have none, or another."""
    if bool((labels < 0).any()):
        raise SettingError(
            f"{int((labels < 0).sum()):,} of {len(labels):,} images have no label, and this prior "
            "has biases for each class: find classes with images.clustered(k), or train with "
            "classes='none'."
        )
    return require_classes("labels", labels, grbm)


def require_names(classes: Sequence[str]) -> tuple[str, ...]:
    """Names of classes, two or more, or none; SettingError if they are no list of words."""
    if not isinstance(classes, tuple | list) or len(classes) == 1 or len(classes) > MOST_CLASSES:
        raise SettingError(
            f"classes={str(classes)[:60]!r} must be a list of 2 to {MOST_CLASSES} names, or empty."
        )
    if not all(isinstance(name, str) and 0 < len(name) <= 100 for name in classes):
        raise SettingError("classes: each name must be a text of 1 to 100 characters.")
    return tuple(classes)


def wanted_classes(
    n: int,
    wish: Wish,
    names: Sequence[str],
    grbm: GraphRestrictedBoltzmannMachine,
    generator: torch.Generator,
) -> torch.Tensor | None:
    """The class of each of ``n`` strings that fulfils a wish; ``None`` for a plain prior.

    Args:
        n: how many strings.
        wish: a name, or its number among the different names; one for all or one each.  Left out,
            classes are as frequent as the shares say, in random order.
        names: of all classes; where several have the wished one they share it by their frequency.
        grbm, generator: the prior, and what draws.

    Raises:
        SettingError: no such name, as many wishes as do not fit, or a prior without classes.
    """
    if wish is None:
        if n_classes(grbm) == 1:
            return None
        drawn = usual_classes(n, grbm, generator)
        return drawn[torch.randperm(n, generator=generator).to(drawn.device)]
    if not names:
        raise SettingError(
            "This model has one prior for all images, so no class can be wished for: leave "
            "out classes, or load a model with classes."
        )
    if isinstance(wish, torch.Tensor):
        wish = wish.tolist()
    different = list(dict.fromkeys(names))
    wishes = [wish] * n if isinstance(wish, str) or not isinstance(wish, Sequence) else list(wish)
    if len(wishes) != n:
        raise SettingError(f"{len(wishes)} wishes for {n} images: give one, or one each.")
    wishes = [one if isinstance(one, str) else _named(one, different) for one in wishes]
    if unknown := sorted(set(wishes) - set(different)):
        raise SettingError(
            f"classes: there is no {unknown[0]!r:.60} among {', '.join(different[:20])}"
            f"{', ...' if len(different) > 20 else ''}."
        )
    classes = torch.empty(n, dtype=torch.int64)
    for name in dict.fromkeys(wishes):
        rows = torch.tensor([i for i, one in enumerate(wishes) if one == name])
        among = torch.tensor([y for y, one in enumerate(names) if one == name])
        drawn = usual_classes(len(rows), grbm, generator, among).cpu()
        classes[rows] = drawn[torch.randperm(len(rows), generator=generator)]
    return classes.to(grbm.linear.device)


def _named(number: int, names: list[str]) -> str:
    return names[require_count("classes", number, 0, len(names) - 1)]


def in_groups(classes: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
    """Each class that occurs, in order, and the rows that belong to it."""
    for y in classes.unique().tolist():
        yield y, (classes == y).nonzero().squeeze(1)


def require_shares(shares: torch.Tensor, error: type[QdvaeError] = SettingError) -> torch.Tensor:
    """Frequencies ``(K,)``: none below 0, together 1."""
    if not bool((shares >= 0).all()) or not math.isclose(float(shares.sum()), 1, abs_tol=1e-3):
        raise error("Shares of classes must not be negative, and be 1 together.")
    return shares
