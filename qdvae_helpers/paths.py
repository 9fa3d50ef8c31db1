"""Where things lie: the repository, and folders that an environment variable may move."""

import os
from pathlib import Path

#: The repository's top folder; the package is used from a clone of it (``pip install -e .``).
ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"


def folder(variable: str, default: Path) -> Path:
    """The folder that an environment variable names, else the default one.

    A relative folder is meant from the repository: kernels run in ``notebooks/``, make does not.

    Args:
        variable: for example ``QDVAE_MODELS``.
        default: where the variable is unset or empty.
    """
    configured = os.environ.get(variable)
    return ROOT / Path(configured).expanduser() if configured else default
