"""Google Colab: install what is missing there, and read the token from its secrets.

Each notebook's first code cell fetches the repository and calls :func:`prepare`; elsewhere that
cell does nothing.
"""

import importlib.metadata
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from qdvae_helpers.errors import SettingError

_ROOT = Path(__file__).resolve().parent.parent
#: Colab has its own builds of the first three, and is itself what the last two are for.
NEVER_INSTALLED = {"torch", "torchvision", "ipywidgets", "jupyterlab", "nbclient"}


def prepare() -> None:
    """Install the missing requirements, leaving every installed version as it is, and take a token.

    Raises:
        SettingError: Colab's versions and ours no longer fit, or the network failed; pip's own
            words stand above it.
    """
    if missing := missing_requirements():
        _install(missing)
    take_token()
    print(f"Ready on Colab; installed {len(missing)} packages.")


def missing_requirements() -> list[str]:
    """Our base requirements that are not installed here in a fitting version."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    missing = []
    for text in project["dependencies"]:
        requirement = Requirement(text)
        if requirement.name in NEVER_INSTALLED:
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            version = None
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            missing.append(str(requirement))
    return missing


def _install(requirements: list[str]) -> None:
    """Install with pip; what is there is pinned, so that no loaded library changes under us."""
    replaced = {Requirement(text).name for text in requirements}
    pins = {
        distribution.name: distribution.version
        for distribution in importlib.metadata.distributions()
        if distribution.name not in replaced
    }
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder, "installed.txt")
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in pins.items()))
        command = [sys.executable, "-m", "pip", "install", "-q", "-c", str(constraints)]
        done = subprocess.run([*command, *requirements], check=False)
    if done.returncode:
        raise SettingError(
            "The lessons' requirements could not be installed on Colab (see above). Try the menu "
            "Runtime, Disconnect and delete runtime, then run again; or use Binder."
        )


def take_token() -> bool:
    """Put ``DWAVE_API_TOKEN`` from Colab's secrets into the environment; True where there is one.

    No secret, or one to which the notebook has no access, is no error: lessons run offline.
    """
    from google.colab import userdata

    try:
        token = userdata.get("DWAVE_API_TOKEN")
    except (userdata.SecretNotFoundError, userdata.NotebookAccessError):
        token = None
    if token:
        os.environ["DWAVE_API_TOKEN"] = token
    return bool(token)
