"""Shared code of the lessons.

What lessons teach lies here, one module each; what belongs together in several files is a folder.
``docs/architecture.md`` is the map.  Importing the package is cheap: torch and the D-Wave libraries
load when a module that needs them does.
"""

import importlib
import os

# torch's OpenMP threads spin while they wait, so two kernels on one small machine slow each other
# more than tenfold.  A short spin count costs a lone process 8 % and mends that.  It only takes
# effect before torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__version__ = "0.2.0"

#: The names to begin with, and the rooms that they come from when first used.
_FIRST = {"load_images": "data", "load_pretrained": "checkpoints", "make_sampler": "samplers"}
__all__ = ["load_images", "load_pretrained", "make_sampler"]


def __getattr__(name: str) -> object:
    if name not in _FIRST:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_FIRST[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
