"""Open JupyterLab on lesson 00, with the whole repository in its file list.

So links from a lesson to the glossary open, and those from page to page. What stands after -- goes
to JupyterLab. It asks the network for nothing; settings of your own come before those of this
command (.jupyter/labconfig).
"""

import argparse
import os
import sys

from qdvae_helpers.errors import SettingError
from qdvae_helpers.paths import ROOT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    own = "options of JupyterLab, such as --no-browser or --port=8890"
    parser.add_argument("jupyterlab", nargs="*", metavar="-- OPTION", help=own)


def run(options: argparse.Namespace) -> int:
    """Serve until interrupted.

    Raises:
        SettingError: JupyterLab is not installed.
    """
    try:
        from jupyterlab.labapp import LabApp
    except ImportError:
        raise SettingError("JupyterLab is not installed: pip install -e .") from None
    first, *_ = sorted((ROOT / "notebooks").glob("*.ipynb"))
    # Defaults of settings: JupyterLab looks for them in folders named labconfig on this path.
    paths = [str(ROOT / ".jupyter"), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, paths))
    print("Lesson 00 opens in your browser; if not, open the address below. Ctrl-C twice ends it.")
    sys.stdout.flush()
    LabApp.launch_instance([str(first), f"--ServerApp.root_dir={ROOT}", *options.jupyterlab])
    return 0
