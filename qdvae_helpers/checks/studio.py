"""Checks of lesson 12: files, stations, steps, names, the time left, differences that count."""

import contextlib
import json
import re
import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from qdvae_helpers.checks.verdict import Rows, VerdictError, by_examples, exercise


def _truth(given: Any) -> bool:
    """What an answer says, numpy's and torch's truths taken as well."""
    with contextlib.suppress(TypeError, ValueError, RuntimeError):
        if (value := torch.as_tensor(given)).dtype == torch.bool and value.numel() == 1:
            return bool(value)
    raise VerdictError(f"return True or False; yours is a {type(given).__name__}.")


@by_examples((60_000, 256, 1), (1_000, 100, 3), (90, 32, 4))
def steps_of_a_run(images: int, batch: int, epochs: int) -> Rows:
    """``function(images, batch, epochs)``: gradient steps; a batch is never half full."""
    asked = "for {images:,} images, batches of {batch} and {epochs} epochs"
    yield images // batch * epochs, f"{asked} it is {{right}}, you return {{given}}."
    all_at_once, up = images * epochs // batch, -(-images // batch) * epochs
    yield all_at_once, f"{asked}: round down within each epoch, then multiply by the epochs."
    yield up, f"{asked}: you round up, but a batch that is not full is left out."
    yield images / batch * epochs, f"{asked}: a number of steps is whole: use `//`."


_SAFE = ("first-try", "run_2", "A", "9lives", "a" * 64)
_UNSAFE = {
    "../secret": "it leads out of the folder",
    "models/a": "it leads into another folder",
    "a\\b": "Windows reads the backslash as a way into another folder",
    ".hidden": "files that begin with a dot are hidden",
    "-rf": "programs take a leading hyphen for an option",
    "_mine": "it begins with neither a letter nor a digit",
    "": "it is empty",
    "a" * 65: "it has 65 characters; the studio allows 64",
    "good\n": "it ends with a line break: `$` and `.match` let it pass, use `fullmatch`",
    "naïve": "other machines may spell its letters differently: allow A-Z, a-z, 0-9, _ and -",
    "run٣": "its last character is a digit of another script: allow A-Z, a-z, 0-9, _ and -",
    "a.b": "a dot is none of the characters that are allowed",
    "a b": "a space is none of the characters that are allowed",
}


@exercise
def safe_name(function: Callable[[str], bool]) -> str | None:
    """``function(name)``: whether a typed name may become a file in the folder of models."""
    if isinstance(function(_SAFE[0]), re.Match):
        return "a match is neither True nor False, and no match is None: add `is not None`."
    for name in _SAFE:
        if not _truth(function(name)):
            return f"{name[:20]!r} is harmless, but you refuse it."
    for name, why in _UNSAFE.items():
        if _truth(function(name)):
            return f"{name[:20]!r} passes, but {why}."
    return None


@by_examples((50, 130, 0, 7.5), (300, 430, 200, 20.6))
def time_left(done: int, total: int, first: int, seconds: float) -> Rows:
    """``function(done, total, first, seconds)``: seconds left, from this session's own steps."""
    asked = "for step {done} of {total}, begun at step {first}, after {seconds:g} seconds"
    step, left = seconds / (done - first), total - done
    yield left * step, f"{asked} it is {{right:.1f}} seconds, you return {{given:.1f}}."
    why = "a resumed run is too quick: another session did the first steps, divide by done - first."
    yield left * seconds / done, why
    why = "that is the time from begin to end of this session: only total - done steps are left."
    yield (total - first) * step, why
    yield total * step, "that is the time of the whole run: only total - done steps are left."


_FACTS = {"graph": "256 qubits, 2,078 couplers, hash cba5", "classes": "250 clusters"}
_FACTS |= {"sampler": "gibbs", "seed": 0}
_OTHERS = {
    "other seeds do not matter: compare graph and classes alone, with `==`.": ({"seed": 1}, True),
    "another sampler does not matter: compare graph and classes alone.": (
        {"sampler": "qpu"},
        True,
    ),
    "other steps do not matter: compare graph and classes alone.": ({"steps": "100"}, True),
    "the hash differs: as many qubits and couplers, but not the same ones.": (
        {"graph": "256 qubits, 2,078 couplers, hash 77f0"},
        False,
    ),
    "the graph is another one, so its couplings have no place.": (
        {"graph": "64 qubits, 400 couplers, hash 1234"},
        False,
    ),
    "the classes are others, so their biases mean other things.": ({"classes": "10 labels"}, False),
    "graph and classes both differ.": ({"graph": "64 qubits", "classes": "10 labels"}, False),
}


@exercise
def may_exchange(function: Callable[[dict, dict], bool]) -> str | None:
    """``function(one, other)``: whether two tables of facts belong to priors of one form."""
    for why, (changes, fits) in _OTHERS.items():
        for one, other in ((_FACTS, _FACTS | changes), (_FACTS | changes, _FACTS)):
            # read anew, so that equal texts are not the same object
            given = _truth(function(*json.loads(json.dumps([one, other]))))
            if given != fits:
                return f"you say {given} of {changes} against {_FACTS}: {why}"
    return None


class _Stations:
    """A model of three spins and two pixels that notes what it was asked."""

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(0)

    def encode(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ torch.tensor([[2.0, -1.0, 0.5], [-3.0, 0.5, 1.5]])

    def spins(self, logits: Tensor) -> Tensor:
        uniform = torch.rand(logits.shape, generator=self.generator)
        return torch.where(uniform < logits.sigmoid(), 1.0, -1.0)

    def decode(self, spins: Tensor) -> Tensor:
        return torch.sigmoid(spins @ torch.tensor([[1.0, 0.2], [-0.4, 2.0], [0.7, -1.0]]))


@exercise
def journey(function: Callable[[_Stations, Tensor], tuple]) -> str | None:
    """``function(model, images)``: mean spins, drawn spins, and the ink of the drawn ones."""
    for images in (torch.tensor([[0.9, 0.1]]), torch.tensor([[0.2, 0.7], [0.5, 0.5], [1.0, 0.0]])):
        model = _Stations()
        found = function(model, images.clone())
        if not isinstance(found, tuple) or len(found) != 3:
            return "return three things as a tuple: mean_spins, spins, ink."
        means, spins, ink = found
        logits = model.encode(images)
        if any(not isinstance(part, Tensor) or len(part) != len(images) for part in found):
            return "each of the three is a tensor with a row for every image."
        if means.shape == logits.shape and torch.allclose(means, logits):
            return "the first are the logits: the mean of a spin is tanh(logit / 2)."
        if means.shape == logits.shape and torch.allclose(means, logits.sigmoid()):
            return (
                "the first are probabilities of +1: a mean spin is 2 p - 1, which is tanh(l / 2)."
            )
        if means.shape != logits.shape or not torch.allclose(means, torch.tanh(logits / 2)):
            return "the first are not the mean spins, tanh(logit / 2)."
        if spins.shape != logits.shape or not (spins.abs() == 1).all():
            return "the second are the drawn spins, each -1 or +1."
        if ink.shape == model.decode(means).shape and torch.allclose(ink, model.decode(means)):
            return "you decoded the mean spins: the picture comes from the drawn ones."
        if not torch.allclose(ink, model.decode(spins)):
            return "the ink belongs to other spins than those you return: draw once."
        if not torch.equal(spins, _Stations().spins(logits)):
            return (
                "`model.spins` draws them, once: a second draw, or one of your own, gives others."
            )
    return None


_ONE = {"nats": 52.5, "Frechet": 14.0, "precision": 0.95, "dead": 36}
_OTHER = {"Frechet": 9.0, "dead": 2, "nats": 54.3, "precision": 0.94}
_SEEDS = {
    "precision": [0.93, 0.95, 0.94],
    "Frechet": [13.0, 15.0, 14.0],
    "nats": [52.0, 53.0, 52.4],
}


def _range(values: list[float]) -> float:
    return max(values) - min(values)


@exercise
def what_counts(function: Callable[[dict, dict, dict], list]) -> str | None:
    """``function(one, other, seeds)``: measures that differ by more than twice their spread."""
    more = _SEEDS | {"dead": [2.0, 3.0, 40.0]}
    close = {"a": 1.0, "b": 3.0, "c": 5.0, "d": 1.0}, {"a": 3.1, "b": 4.0, "c": 5.0, "d": 3.5}
    spreads = {"a": [0.0, 2.0, 1.0], "b": [1.0, 2.0], "c": [5.0, 5.0, 5.0]}
    spreads["d"] = [*[0.0] * 8, 3.0]  # more than two deviations from end to end
    for one, other, seeds in (
        (_ONE, _OTHER, _SEEDS),
        (_OTHER, _ONE, _SEEDS),
        (_ONE, _OTHER, more),
        (*close, spreads),
    ):
        given = function(dict(one), dict(other), dict(seeds))
        if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
            return "return a list with the names of the measures."
        spread = {name: statistics.stdev(values) for name, values in seeds.items()}
        gap = {name: one[name] - other[name] for name in one}
        right = [name for name in one if name in seeds and abs(gap[name]) > 2 * spread[name]]
        for why, wrong in {
            "a measure without seeds does not count.": [
                name for name in one if abs(gap[name]) > 2 * spread.get(name, 0.0)
            ],
            "a difference may be negative: take its absolute value.": [
                name for name in one if name in seeds and gap[name] > 2 * spread[name]
            ],
            "compare with *twice* the standard deviation.": [
                name for name in one if name in seeds and abs(gap[name]) > spread[name]
            ],
            "that is the range of the seeds: the measure is their standard deviation.": [
                name for name in one if name in seeds and abs(gap[name]) > _range(seeds[name])
            ],
            "these are the measures that do not count.": [n for n in one if n not in right],
        }.items():
            if given != right and given == wrong:
                return why
        if sorted(given) == sorted(right) and given != right:
            return "these are the right measures: give them in the order of `one`."
        if given != right:
            return f"for {one} and {other} with the seeds {seeds} it is {right}, yours is {given}."
    return None
