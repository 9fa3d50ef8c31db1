"""Do our dependencies fit what Google Colab has?  Asks pip, without installing anything.

    python tools/colab_check.py [--python python3.13]

``tools/colab-versions.txt`` records Colab's versions of the packages that matter here.  pip
resolves our base requirements with those as constraints, for Colab's Python.  It needs a package
index, so it is no part of ``make test``.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from qdvae_helpers.colab import NEVER_INSTALLED
from qdvae_helpers.paths import ROOT
from qdvae_helpers.requirements import base_requirements

RECORDED = ROOT / "tools" / "colab-versions.txt"


def main() -> int:
    """Print what Colab would have to install; the exit status is pip's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default="python3.13", help="an interpreter as Colab has it")
    options = parser.parse_args()

    wanted = base_requirements()
    # Colab's own torch cannot be had here in that build, but its version constrains the others.
    names = [str(r) for r in wanted if r.name not in NEVER_INSTALLED - {"torch", "torchvision"}]
    with tempfile.TemporaryDirectory() as folder:
        report, environment = Path(folder, "report.json"), Path(folder, "environment")
        # A fresh environment, so that nothing installed beside that interpreter counts.
        subprocess.run([options.python, "-m", "venv", str(environment)], check=True)
        (python,) = [*environment.glob("bin/python"), *environment.glob("Scripts/python.exe")]
        command = [str(python), "-m", "pip", "install", "--dry-run", "-q", "-c", str(RECORDED)]
        done = subprocess.run([*command, "--report", str(report), *names], check=False)
        if done.returncode:
            print("Colab's versions and pyproject.toml do not fit: see pip's words above.")
            return done.returncode
        resolved = json.loads(report.read_text(encoding="utf-8"))["install"]
    found = {item["metadata"]["name"]: item["metadata"]["version"] for item in resolved}
    ours = {requirement.name for requirement in wanted}
    print(f"They fit: {len(found)} packages; of ours:")
    for name, version in sorted(found.items(), key=lambda pair: pair[0].lower()):
        if name in ours:
            print(f"  {name} {version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
