"""The studio as a web app without code: ``python -m qdvae_helpers.app`` (Voila, extra ``studio``).

It serves ``notebooks/08_studio.ipynb``, but only the cells tagged ``app``: a visitor waits for the
dashboard and not for the lesson around it.  Further options are Voila's own, for example
``--port=8866`` or ``--no-browser``.
"""

import sys
from pathlib import Path
from typing import Any

from qdvae_helpers.errors import SettingError

_NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "08_studio.ipynb"


def only_app_cells(request: Any, notebook: Any, cwd: str) -> Any:
    """Voila's hook before a kernel starts: the notebook without the lesson."""
    notebook.cells = [c for c in notebook.cells if "app" in c.metadata.get("tags", [])]
    return notebook


def main(arguments: list[str] | None = None) -> None:
    """Serve until interrupted.

    Raises:
        SettingError: Voila is not installed.
    """
    try:
        from traitlets.config import Config
        from voila.app import Voila
    except ImportError:
        raise SettingError("The app needs Voila: pip install -e '.[studio]'.") from None
    config = Config({"VoilaConfiguration": {"prelaunch_hook": only_app_cells}})
    arguments = sys.argv[1:] if arguments is None else arguments
    Voila.launch_instance(argv=[str(_NOTEBOOK), *arguments], config=config)


if __name__ == "__main__":
    try:
        main()
    except SettingError as error:
        sys.exit(str(error))
