"""Open the studio as an app in the browser: the dashboard without the lesson around it.

It needs Voila (extra "studio") and runs until you stop it with Ctrl-C; runs in training then save
their last step and stop. Only this machine can reach it. With --host others can, who need the
token in the address that is printed; the connection is not encrypted, so use it in a network that
you trust, or through ssh or a proxy with TLS.
"""

import argparse
import sys
from typing import Any

import psutil

from qdvae_helpers.errors import SettingError
from qdvae_helpers.paths import ROOT

_MOST_PAGES = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    add = parser.add_argument
    add("--port", type=int, help="of the server; default: 8866, or the next free")
    add("--no-browser", action="store_true", help="only say the address")
    pages = f"pages open at once, each a Python process; default: one per GB, at most {_MOST_PAGES}"
    add("--pages", type=int, metavar="N", help=pages)
    add("--host", metavar="ADDRESS", help="listen there; default: localhost, for this machine only")
    name = "a further name to answer to, such as a proxy's; needs the token, may be repeated"
    add("--allow-host", action="append", default=[], metavar="NAME", help=name)
    add("voila", nargs="*", metavar="-- OPTION", help="further options, which are Voila's own")


def only_app_cells(request: Any, notebook: Any, cwd: str) -> Any:
    """Voila's hook before a kernel starts: of the lesson only the cells tagged ``app``."""
    notebook.cells = [c for c in notebook.cells if "app" in c.metadata.get("tags", [])]
    return notebook


def run(options: argparse.Namespace) -> int:
    """Serve until interrupted.

    Raises:
        SettingError: Voila is not installed, or an option cannot be.
    """
    if options.port is not None and not 1 <= options.port <= 65_535:
        raise SettingError(f"--port {options.port}: choose 1 to 65535.")
    if options.pages is not None and options.pages < 1:
        raise SettingError(f"--pages {options.pages}: choose 1 or more.")
    try:
        from traitlets.config import Config

        from qdvae_helpers.commands.studio_app import StudioApp
    except ImportError:
        raise SettingError("The studio needs Voila: pip install -e '.[studio]'.") from None
    (lesson,) = (ROOT / "notebooks").glob("*_studio.ipynb")
    gigabytes = psutil.virtual_memory().total // 2**30
    usual = max(1, min(_MOST_PAGES, gigabytes))
    config = Config(
        {
            "VoilaConfiguration": {
                "prelaunch_hook": only_app_cells,
                "allow_template_override": "NO",  # some of Voila's templates need other hosts
                "multi_kernel_manager_class": "qdvae_helpers.commands.studio_app.PageKernels",
            },
            "KernelManager": {"autorestart": False},  # the new one would know nothing of its page
            "PageKernels": {"pages_limit": usual if options.pages is None else options.pages},
            "StudioApp": {"host_names": options.allow_host},
        }
    )
    arguments = [str(lesson), *options.voila]
    arguments += [f"--Voila.ip={options.host}"] if options.host is not None else []
    arguments += [f"--port={options.port}"] if options.port is not None else []
    arguments += ["--no-browser"] if options.no_browser else []
    print("The studio opens in your browser; if not, open the address below. Ctrl-C ends it.")
    sys.stdout.flush()
    try:
        StudioApp.launch_instance(argv=arguments, config=config)
    except SettingError:
        raise
    except (OSError, ValueError) as error:  # an address of another machine, a second file
        check = "check --host, --port and what stands after --"
        raise SettingError(f"The studio cannot be opened like this ({error}): {check}.") from error
    return 0
