"""Arguments judged before they are used: whole numbers, numbers, seeds, images, spins.

Each function gives back what it was given, in Python's own kind, or raises an error that names the
argument, what it was, and what it may be.
"""

import math
import operator
from collections.abc import Iterable
from typing import Any

import torch

from qdvae_helpers.errors import QdvaeError, SettingError

#: Seeds lie below; torch's generators take as many.
SEEDS = 2**63
_MOST = 10**9  # of anything that is counted
_IMAGE_SHAPE = (1, 28, 28)


def require_count(
    name: str,
    value: Any,
    least: int = 1,
    most: int = _MOST,
    error: type[QdvaeError] = SettingError,
) -> int:
    """A whole number from ``least`` to ``most``; numpy's and torch's count, truth values do not."""
    try:
        number = None if _is_truth(value) else operator.index(value)
    except (TypeError, RuntimeError):  # torch raises both
        number = None
    if number is None:
        raise error(f"{name}={_shown(value)} must be a whole number, {least:,} or more.")
    if number < least:
        raise error(f"{name}={_shown(number)} must be {least:,} or more.")
    if number > most:
        raise error(f"{name}={_shown(number)} is too many: choose {most:,} or fewer.")
    return number


def require_number(
    name: str,
    value: Any,
    *,
    least: float = -math.inf,
    above: float = -math.inf,
    most: float = math.inf,
    error: type[QdvaeError] = SettingError,
) -> float:
    """A finite number, at least ``least``, more than ``above``, at most ``most``."""
    try:
        if _is_truth(value) or not hasattr(value, "__float__"):  # text has none
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise error(f"{name}={_shown(value)} must be a finite number.")
    if number <= above:
        raise error(f"{name}={_shown(value)} must be more than {above:g}.")
    if number < least:
        raise error(f"{name}={_shown(value)} must be {least:g} or more.")
    if number > most:
        raise error(f"{name}={_shown(value)} must be {most:g} or less.")
    return number


def require_seed(value: Any, name: str = "seed", error: type[QdvaeError] = SettingError) -> int:
    """A seed of random numbers: a whole number from 0 to 2^63 - 1."""
    return require_count(name, value, 0, SEEDS - 1, error)


def require_flag(name: str, value: Any) -> bool:
    """True or False, nothing that only behaves like them."""
    if not _is_truth(value):
        raise SettingError(f"{name}={_shown(value)} must be True or False.")
    return bool(value)


def require_kind(name: str, value: Any, kind: type, error: type[QdvaeError] = SettingError) -> Any:
    """An object of this class."""
    if not isinstance(value, kind):
        raise error(f"{name} must be of the kind {kind.__name__}, not {type(value).__name__}.")
    return value


def require_known(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    """No name of an option but those ``known``; ``what`` has them, in the error's words."""
    known = sorted(known)
    if unknown := sorted(set(given) - set(known)):
        raise SettingError(
            f"{what} has no option {', '.join(unknown)}: choose from {', '.join(known)}."
        )


def require_images(
    name: str, images: Any, *, least: int = 1, any_size: bool = False, slack: float = 0.0
) -> torch.Tensor:
    """A tensor of at least so many images ``(N, 1, 28, 28)``: floats in [0, 1], no NaN.

    One pass over memory: 60,000 images take 20 ms.  With ``any_size`` they may have other sizes,
    with ``slack`` lie so far outside, as resizing may leave them.
    """
    require_image_shape(name, images, any_size=any_size)
    if len(images) < least:
        raise SettingError(f"{name}: {len(images)} images are too few, give {least} or more.")
    if len(images) == 0:
        return images
    low, high = (float(bound) for bound in images.detach().aminmax())  # NaN if there is one
    if not (low >= -slack and high <= 1 + slack):
        raise SettingError(
            f"{name}: values from {low:g} to {high:g}, but floats must lie in [0, 1]. "
            "Divide values up to 255 by 255."
        )
    return images


def require_plain(name: str, values: Any) -> torch.Tensor:
    """A tensor that holds its numbers one by one: not sparse, nested, or without any (meta)."""
    if not isinstance(values, torch.Tensor):
        raise SettingError(f"{name} must be a tensor, not {type(values).__name__}.")
    if values.is_nested or values.layout != torch.strided or values.is_meta:
        raise SettingError(f"{name} must be a plain tensor, not sparse, nested or on meta.")
    if values.is_floating_point() and values.dtype.itemsize < 2:
        raise SettingError(f"{name}: {values.dtype} holds too few digits: use float32.")
    return values


def require_image_shape(name: str, images: Any, *, any_size: bool = False) -> torch.Tensor:
    """The same without a look at numbers or values, for every step."""
    require_plain(name, images)
    fits = images.ndim == 4 if any_size else images.shape[1:] == _IMAGE_SHAPE
    if not fits or not images.is_floating_point():
        raise SettingError(
            f"{name}: {images.dtype} of shape {tuple(images.shape)}, where floats of shape "
            f"(N, {', '.join(map(str, _IMAGE_SHAPE))}) are needed."
        )
    return images


def require_rows(name: str, rows: Any, width: int | None = None, *, least: int = 1) -> torch.Tensor:
    """A tensor ``(M, width)`` of floats, one row per string: spins, or their logits; of any width.

    Its values are not looked at: this is asked at every step, and NaN stays NaN.
    """
    require_plain(name, rows)
    fits = rows.dim() == 2 and width in (None, rows.shape[1])
    if not fits or not rows.is_floating_point():
        raise SettingError(
            f"{name}: {rows.dtype} of shape {tuple(rows.shape)}, where floats of shape "
            f"(rows, {width or 'columns'}) are needed."
        )
    if len(rows) < least:
        raise SettingError(f"{name}: {len(rows)} rows are too few, give {least} or more.")
    return rows


def require_grbm(grbm: Any, error: type[QdvaeError] = SettingError) -> Any:
    """A Boltzmann machine of D-Wave's plugin with a spin or more, all of them visible.

    One without couplings is a model like others: its list of couplers, which the plugin makes one
    of floats where it is empty, becomes one of whole numbers, or nothing could be computed.
    """
    from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine  # late: it is slow

    require_kind("grbm", grbm, GraphRestrictedBoltzmannMachine, error)
    if grbm.n_nodes == 0:
        raise error("This model has no spins: build it on a graph with one or more.")
    if grbm.hidden_nodes:
        raise error("This model has hidden units, which nothing here can draw: leave them out.")
    if grbm.n_edges == 0 and grbm.edge_idx_i.is_floating_point():
        for name in ("_edge_idx_i", "_edge_idx_j"):
            setattr(grbm, name, getattr(grbm, name).long())
    return grbm


def _is_truth(value: Any) -> bool:
    """Whether this is a truth value, which Python takes for the number 0 or 1."""
    if isinstance(value, torch.Tensor):
        return value.dtype == torch.bool
    return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")


def _shown(value: Any) -> str:
    """A value in a message: as short as a message should be."""
    if isinstance(value, int) and abs(value) > 10**30:
        return "a number of more than 30 digits"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
