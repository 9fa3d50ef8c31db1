"""Where things lie: the repository, and folders that an environment variable may move."""

import errno
import os
import stat
from pathlib import Path

from qdvae_helpers.errors import SettingError

#: The repository's top folder; the package is used from a clone of it (``pip install -e .``).
ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"


def folder(variable: str, default: Path) -> Path:
    """The folder that an environment variable names, else the default one.

    A relative folder is meant from the repository: kernels run in ``notebooks/``, make does not.

    Args:
        variable: for example ``QDVAE_MODELS``.
        default: where the variable is unset or empty.

    Raises:
        SettingError: no folder can have such a name.
    """
    configured = os.environ.get(variable)
    if not configured:
        return default
    try:
        named = ROOT / Path(configured).expanduser()
        # stat, since from Python 3.14 on is_dir tells of no error, such as too long a name.
        if stat.S_ISDIR(named.stat().st_mode) and not os.access(named, os.R_OK | os.X_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    except FileNotFoundError:
        pass  # it is made when it is needed
    except (OSError, RuntimeError) as error:  # RuntimeError: "~" of nobody
        why = getattr(error, "strerror", None) or error
        raise SettingError(
            f"{variable}={configured[:60]!r} cannot be used ({why}): name a folder, or unset it."
        ) from error
    return named
