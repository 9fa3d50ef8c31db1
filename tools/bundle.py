"""Pack everything that a room without a network needs into one file.

    python tools/bundle.py [--torch-index ADDRESS] [--output build/NAME.tar]

The file holds the repository's tracked files, MNIST among them, the lessons without solutions (in
``class/``), wheels of all packages for *this* Python and platform, and a script that sets
everything up without a package index.  Make it on a
machine like those in the room.  With CUDA builds of torch it is about 3 GB; ``--torch-index`` with
CPU builds makes it far smaller.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path

import student

from qdvae_helpers.errors import OutputError
from qdvae_helpers.outputs import replacing, require_output
from qdvae_helpers.paths import ROOT

_SH = """\
#!/bin/sh
# Sets up .venv from the wheels beside it, without a network.  PYTHON=... names the interpreter.
set -eu
cd "$(dirname "$0")"
PYTHON="${{PYTHON:-python{dotted}}}"
if [ "$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" != {dotted} ]; then
    echo "These wheels are for Python {dotted}: set PYTHON to such an interpreter." >&2
    exit 1
fi
"$PYTHON" -m venv .venv
.venv/bin/python -m pip install --no-index --find-links wheels -c constraints.txt -e ".[dev]"
touch .venv/.ready
echo "Ready: make lab, or .venv/bin/python -m jupyterlab notebooks (class/notebooks: no solutions)"
"""
_BAT = """\
@echo off
rem Sets up .venv from the wheels beside it, without a network.  Needs Python {dotted}.
cd /d "%~dp0"
py -{dotted} -m venv .venv || exit /b 1
set PIP_NO_INDEX=1
set PIP_FIND_LINKS=wheels
.venv\\Scripts\\python -m pip install -c constraints.txt -e ".[dev]" || exit /b 1
echo Ready: .venv\\Scripts\\python -m jupyterlab notebooks (class\\notebooks: no solutions)
"""


def copy_repository(target: Path) -> None:
    """Copy every tracked file; a symbolic link becomes a copy, as Windows has none."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        source = ROOT / name
        if source.is_file():  # a file deleted but not yet committed is left out
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def download_wheels(target: Path, torch_index: str) -> None:
    """Download wheels of everything, and of what builds our own package."""
    pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check"]
    pip += ["--progress-bar", "off", "-q", "-d", str(target), "-c", "constraints.txt"]
    pip += ["--only-binary", ":all:"]
    if torch_index:
        torch = ["--no-deps", "--index-url", torch_index, "torch", "torchvision"]
        subprocess.run([*pip, *torch], cwd=ROOT, check=True)
        pip += ["--find-links", str(target)]
    subprocess.run([*pip, ".[dev]", "setuptools>=77", "wheel"], cwd=ROOT, check=True)


def main() -> int:
    """Write the bundle; returns the exit status."""
    dotted = "{}.{}".format(*sys.version_info)
    tag = f"py{dotted.replace('.', '')}-{sysconfig.get_platform()}"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch-index", default="", help="package index with CPU builds of torch")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / f"qdvae-{tag}.tar")
    options = parser.parse_args()
    try:
        require_output(options.output, ours=tarfile.is_tarfile, need_bytes=1 << 28)
    except OutputError as error:
        parser.error(str(error))

    with tempfile.TemporaryDirectory(dir=options.output.parent) as folder:
        target = Path(folder) / "qdvae-tutorials"
        copy_repository(target)
        student.write_copies(target / "class")
        download_wheels(target / "wheels", options.torch_index)
        (target / "setup.sh").write_text(_SH.format(dotted=dotted), encoding="utf-8")
        (target / "setup.sh").chmod(0o755)
        script = _BAT.format(dotted=dotted)
        (target / "setup.bat").write_text(script, encoding="utf-8", newline="\r\n")
        with replacing(options.output) as written, tarfile.open(written, "w") as archive:
            archive.add(target, target.name)  # not compressed: wheels are already
    size = options.output.stat().st_size / 1e9
    print(f"{os.path.relpath(options.output)}: {size:.1f} GB, for Python {dotted} on this platform")
    print("In the room: tar xf, then ./setup.sh (Windows: setup.bat)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
