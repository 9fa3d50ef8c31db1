"""Which of the package's requirements this Python lacks; needs nothing but ``packaging``."""

import importlib.metadata
import tomllib

from packaging.requirements import Requirement

from qdvae_helpers.paths import ROOT


def base_requirements() -> list[Requirement]:
    """What ``pyproject.toml`` asks for, without its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(text) for text in project["dependencies"]]


def unmet(requirements: list[Requirement]) -> dict[str, str]:
    """Those that are missing or have another version: text of the requirement -> version found."""
    found = {}
    for requirement in requirements:
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            version = "missing"
        if version == "missing" or not requirement.specifier.contains(version, prereleases=True):
            found[str(requirement)] = version
    return found
