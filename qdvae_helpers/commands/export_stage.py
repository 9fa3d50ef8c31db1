"""Write a model as a page that shows it at work in any browser.

The page is one file of 2 to 3 MB for 256 spins. It needs no server, no network and no installation,
opens from a disk and on a phone, and samples the prior itself, classically. A name that ends in
.safetensors gives the data alone, which the page's module reads (qdvae_helpers/widgets/stage).
"""

import argparse
from pathlib import Path

from qdvae_helpers.checkpoints import load_checkpoint, load_pretrained
from qdvae_helpers.errors import OutputError
from qdvae_helpers.outputs import hold, replacing, require_apart, require_output
from qdvae_helpers.widgets.stage import stage_bytes, stage_page

_SUFFIXES = (".html", ".safetensors")
_MOST_BYTES = 16 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    model = "one that ships, or a file; default: qdvae-256-labels"
    parser.add_argument("model", nargs="?", default="qdvae-256-labels", help=model)
    parser.add_argument("--title", default="A QDVAE, alive", help="of the page")
    what = "page (.html) or data (.safetensors) to write"
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help=what)
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")


def run(options: argparse.Namespace) -> int:
    """Read the model, write the file, say how large it is.

    Raises:
        CheckpointError: no such model.
        OutputError: the file may not be written.
    """
    path = options.output
    if path.suffix not in _SUFFIXES:
        raise OutputError(f"{path.name}: choose a name that ends in {' or '.join(_SUFFIXES)}.")
    require_apart([path], {"the model": options.model})
    with hold(path):
        require_output(path, overwrite=options.overwrite, need_bytes=_MOST_BYTES)
        is_file = Path(options.model).suffix == ".safetensors"
        content = stage_bytes((load_checkpoint if is_file else load_pretrained)(options.model))
        if path.suffix == ".html":
            content = stage_page(content, options.title).encode(errors="replace")
        with replacing(path) as written:
            written.write_bytes(content)
    print(f"{options.model}: {len(content) / 1e6:.1f} MB in {path.name}")
    return 0
