"""Which of the package's requirements this Python lacks; needs nothing but ``packaging``."""

import importlib.metadata
import tomllib

from packaging.requirements import Requirement
from packaging.version import Version

from qdvae_helpers.paths import ROOT


def base_requirements() -> list[Requirement]:
    """What ``pyproject.toml`` asks for, without its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(text) for text in project["dependencies"]]


def unmet(requirements: list[Requirement]) -> dict[str, str]:
    """Those that are missing or have another version: text of the requirement -> version found."""
    found = {}
    for requirement in requirements:
        version = _version(requirement.name)
        if not version or not requirement.specifier.contains(version, prereleases=True):
            found[str(requirement)] = str(version or "missing")
    return found


def _version(name: str) -> Version | None:
    """What is installed; None where nothing is, or where its metadata say no version."""
    try:
        return Version(importlib.metadata.version(name))
    except (ImportError, OSError, KeyError, TypeError, ValueError):
        # PackageNotFoundError is an ImportError; the rest is how half a removal fails.
        return None
