"""Google Colab: install what is missing there, and read the token from its secrets.

Each notebook's first code cell fetches the repository and calls :func:`prepare`; elsewhere that
cell does nothing.
"""

import importlib
import importlib.metadata
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.metadata import Distribution
from pathlib import Path, PurePath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from qdvae_helpers.errors import SettingError
from qdvae_helpers.requirements import base_requirements, unmet

#: What Colab has in builds of its own, and must fit as it is.
_AS_IT_IS = {"torch", "torchvision", "ipywidgets"}
#: Colab is itself what the last two are for.
NEVER_INSTALLED = _AS_IT_IS | {"jupyterlab", "nbclient"}


def prepare() -> None:
    """Install the missing requirements, leaving every installed version as it is, and take a token.

    Raises:
        SettingError: Colab's versions and ours no longer fit, or the network failed; pip's own
            words stand above it.
    """
    old = unmet([r for r in base_requirements() if r.name in _AS_IT_IS])
    for wanted, found in old.items():
        print(
            f"The lessons want {wanted} (here: {found}): should something fail, choose the latest "
            "in the menu Runtime, Change runtime type."
        )
    missing = missing_requirements()
    if missing and not _install(missing):
        raise SettingError(
            "The lessons' requirements could not be installed on Colab (see above). Try the menu "
            "Runtime, Disconnect and delete runtime, then run again; or use Binder."
        )
    take_token()
    print(f"Ready on Colab; installed {len(missing)} packages.")


def missing_requirements() -> list[str]:
    """Our base requirements that are not installed here in a fitting version."""
    return list(unmet([r for r in base_requirements() if r.name not in NEVER_INSTALLED]))


def pins(distributions: Iterable[Distribution], replaced: Iterable[str] = ()) -> str:
    """Constraints for pip that keep every installed package, but those ``replaced``, as it is.

    Some are there twice, in two versions or two spellings, or have no name.  The first of a name is
    what Python imports; pinning both would leave pip no solution.

    Args:
        distributions: in the order in which Python finds them.
        replaced: names that may get another version.
    """
    versions: dict[str, str | None] = dict.fromkeys(map(canonicalize_name, replaced))
    for distribution in distributions:
        # pip skips what an interrupted pip left; it bears the name of the package all the same.
        if PurePath(getattr(distribution, "_path", "")).name.startswith("~"):
            continue
        try:
            about = distribution.metadata
        except (FileNotFoundError, UnicodeDecodeError):  # the first from the library's backport
            continue
        if about and about.get("Name"):
            versions.setdefault(canonicalize_name(about["Name"]), about.get("Version"))
    lines = (f"{name}=={version}" for name, version in sorted(versions.items()))
    return "".join(line + "\n" for line in lines if _is_requirement(line))


def _is_requirement(line: str) -> bool:
    """Whether pip can read it, unlike no version, or one that only Debian understands."""
    try:
        return bool(Requirement(line))
    except InvalidRequirement:
        return False


def _install(requirements: list[str]) -> bool:
    """Install with pip; what is there is pinned, so that no loaded library changes under us."""
    replaced = [Requirement(text).name for text in requirements]
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "installed.txt")
            file.write_text(pins(importlib.metadata.distributions(), replaced), encoding="utf-8")
            command = [sys.executable, "-m", "pip", "install", "-q", "-c", str(file)]
            done = subprocess.run([*command, *requirements], check=False)
    except OSError as error:
        print(error, file=sys.stderr)
        return False
    importlib.invalidate_caches()
    # Where it may not write, pip installs for the user, where a running Python does not look.
    return done.returncode == 0 and not missing_requirements()


def take_token() -> bool:
    """Put ``DWAVE_API_TOKEN`` from Colab's secrets into the environment; True where there is one.

    No token is no error, however asking fails: there is none, it is blank, the notebook may not
    read it, or nobody answers, as when VS Code drives Colab.
    """
    try:
        from google.colab import userdata

        token = userdata.get("DWAVE_API_TOKEN").strip()
        if token:
            os.environ["DWAVE_API_TOKEN"] = token
    except Exception:
        return False
    return bool(token)
