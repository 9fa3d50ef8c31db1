"""Open the studio as an app in the browser: the dashboard without the lesson around it.

It needs Voila (extra "studio") and runs until you stop it with Ctrl-C.
"""

import argparse
from typing import Any

from qdvae_helpers.errors import SettingError
from qdvae_helpers.paths import ROOT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--port", type=int, help="of the server; default: 8866, or the next free")
    parser.add_argument("--no-browser", action="store_true", help="only say the address")
    further = "further options, which are Voila's own"
    parser.add_argument("voila", nargs="*", metavar="-- OPTION", help=further)


def only_app_cells(request: Any, notebook: Any, cwd: str) -> Any:
    """Voila's hook before a kernel starts: of the lesson only the cells tagged ``app``."""
    notebook.cells = [c for c in notebook.cells if "app" in c.metadata.get("tags", [])]
    return notebook


def run(options: argparse.Namespace) -> int:
    """Serve until interrupted.

    Raises:
        SettingError: Voila is not installed.
    """
    try:
        from traitlets.config import Config
        from voila.app import Voila
    except ImportError:
        raise SettingError("The studio needs Voila: pip install -e '.[studio]'.") from None
    (lesson,) = (ROOT / "notebooks").glob("*_studio.ipynb")
    arguments = [str(lesson), *options.voila]
    arguments += [f"--port={options.port}"] if options.port is not None else []
    arguments += ["--no-browser"] if options.no_browser else []
    config = Config({"VoilaConfiguration": {"prelaunch_hook": only_app_cells}})
    Voila.launch_instance(argv=arguments, config=config)
    return 0
