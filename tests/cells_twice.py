"""A plugin for nbval: a cell that runs twice in a row shows what it shows when it runs once.

``make test-notebooks`` runs each cell of each lesson once, and what it shows is kept in
``build/once``.  ``make test-twice`` (option ``--twice``) runs each cell twice.  The second time
must show what the first has shown, and what the cell shows where all cells run once: so a cell
that shows nothing itself, but leaves something changed for a later one, is found, too.

Before a cell's second run all random numbers go back to where they were: those of Python, NumPy and
torch, and the samplers in the lesson's names with their simulated devices.  That fresh random
numbers are others is no fault.  A generator in the lesson's own hands is not put back: make it in
the cell that uses it.  Text must be the same apart from times, pictures to the last pixel.
"""

import hashlib
import json
import os
import re
from pathlib import Path

import pytest

ONCE = Path("build/once")
MODELS = Path("build/test-models")

# Cells whose second run differs for a good reason.  Each still has to run twice without an error.
VARIES = {
    "l00-64-f4eb17": "the memory and the disk that are free just now",
    "l14-12-2c30ee": "a download that fails is tried once in a process",
    "l05-83-35aa52": "loads the model that the first run has trained, as the text above it says",
    **dict.fromkeys(
        ("l12-29-e8d475", "l12-31-d2b27b", "l12-33-d3b61b", "l12-35-da3915", "l12-36-e8509a"),
        "the step at which a run in another thread hears that it is cancelled, and what it shows",
    ),
    **dict.fromkeys(
        ("l11-contest-run", "l13-54-db7da4", "l14-54-5a8ec1"), "measured seconds in a table"
    ),
}

# These two run in the lesson's kernel.
MARK = """
import copy as _copy, random as _random, sys as _sys
_marked = [(_random.setstate, _random.getstate())]
if "numpy" in _sys.modules:
    _module = _sys.modules["numpy"].random
    _marked.append((_module.set_state, _module.get_state()))
if hasattr(_sys.modules.get("torch"), "get_rng_state"):
    _module = _sys.modules["torch"]
    _marked.append((_module.set_rng_state, _module.get_rng_state()))
if "qdvae_helpers.samplers" in _sys.modules:
    from qdvae_helpers.samplers import SimulatedQPU as _Device
    from qdvae_helpers.samplers.base import SpinSampler as _Sampler
    for _value in list(globals().values()):
        if isinstance(_value, (_Sampler, _Device)):
            _grbm = getattr(_value, "grbm", None)  # the same object as the model's
            _state = _copy.deepcopy(vars(_value), {id(_grbm): _grbm})
            _marked.append((vars(_value).update, _state))
"""
BACK = "for _set, _state in _marked: _set(_state)"

# Seconds, rates and the like, with the blanks that align them; places in memory.
CHANGING = re.compile(r" *\d[\d.,:]* ?(?:s|ms|µs|minutes?|seconds?|it/s)\b|0x[0-9a-f]{6,}")


def pytest_addoption(parser):
    """The option that doubles the work."""
    parser.addoption("--twice", action="store_true", help="run every cell of a notebook twice")


def is_cell(item: pytest.Item) -> bool:
    """Whether this is a cell of a notebook: other tests are left alone."""
    return hasattr(item, "cell_num")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Each lesson saves its models in a folder of its own, since lessons run side by side."""
    if is_cell(item):
        os.environ["QDVAE_MODELS"] = str((MODELS / item.path.stem).resolve())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Keep what a cell shows, or run it once more and compare."""
    if not is_cell(item):
        return (yield)
    twice = item.config.option.twice
    if twice:
        run_hidden(item, MARK)
    result = yield  # nbval runs the cell and compares what is tagged with what is stored
    first = shown(item)
    kept = ONCE / item.path.stem / f"{item.cell.get('id')}.json"
    if not twice:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps([item.cell.source, first]), encoding="utf-8")
        return result
    run_hidden(item, BACK)
    item.runtest()
    second = shown(item)
    if item.cell.get("id") not in VARIES:
        assert second == first, "run a second time, this cell shows something else"
        source, once = json.loads(kept.read_text("utf-8")) if kept.exists() else ("", [])
        assert source == item.cell.source, "run `make test-notebooks` first: it keeps what is shown"
        assert second == once, "an earlier cell, run twice, has changed what this one shows"
    return result


def shown(item: pytest.Item) -> list[str]:
    """What a cell has shown, without what changes from run to run."""
    found = []
    for output in item.test_outputs:
        data = output.get("data", {})
        if output.output_type == "stream":
            if output.name == "stdout":
                found.append(CHANGING.sub("#", output.text))
        elif "image/png" in data:
            found.append(f"picture {hashlib.sha256(data['image/png'].encode()).hexdigest()[:16]}")
        elif "application/vnd.jupyter.widget-view+json" not in data:
            found.append(CHANGING.sub("#", data.get("text/plain", output.get("evalue", ""))))
    return found


def run_hidden(item: pytest.Item, code: str) -> None:
    """Run code that stands in no cell."""
    kernel = item.parent.kernel
    kernel.await_reply(kernel.kc.execute(code, silent=True, store_history=False), timeout=60)
