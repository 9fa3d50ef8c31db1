"""Checks of lesson 12: steps of a run, names of models, the time left."""

from collections.abc import Callable

from qdvae_helpers.checks.verdict import Rows, by_examples, exercise


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
    for name in _SAFE:
        if not function(name):
            return f"{name[:20]!r} is harmless, but you refuse it."
    for name, why in _UNSAFE.items():
        if function(name):
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
    yield total * step, "that is the time of the whole run: only total - done steps are left."
