"""Is this machine ready for the lessons?

Prints one line for each thing that they need; what to do stands below a line that begins with
LOOK, and then the exit status is 1.  No line shows a token, nor a folder outside the repository.
"""

import argparse
import os
import platform
import re
import shutil
import sys
import sysconfig
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qdvae_helpers.errors import QdvaeError
from qdvae_helpers.paths import ROOT

# Everything else is imported by the row that needs it, so that a broken library costs only that.

_PYTHONS = ((3, 11), (3, 14))  # from, and below
#: Platforms for which each requirement has a wheel, in pip's words; a newer system has these, too.
_PLATFORMS = {
    "manylinux_2_28_x86_64",
    "manylinux_2_28_aarch64",
    "macosx_14_0_arm64",
    "win_amd64",
}
#: Platforms that lack some, as pip calls them: the first that fits says what to do there.
_CANNOT_INSTALL = {
    r"macosx_.*_arm64": "torch needs macOS 14 or newer: update it",
    r"macosx_": "torch is no longer made for Intel processors of Macs; if this Mac has Apple "
    "silicon, install a Python for arm64",
    r"win_arm64": "torch and D-Wave's libraries are not made for Windows on Arm: install Ubuntu "
    "with WSL2 and work there, or try a Python for x86-64",
    r"win32|.*(i[3-6]86|armv\dl)": "this Python or system has 32 bits: use a 64-bit one",
    r"musllinux": "torch is not made for musl (Alpine): use a Linux with glibc, "
    "for containers python:3.12-slim",
    r"manylinux|linux": "torch needs glibc 2.28 or newer on x86-64 or aarch64: use a newer Linux",
}
_MIN_FREE_GB = 1.8  # the hungriest lesson uses 1.7 (README)
_MIN_DISK_GB = 0.2  # models that lessons save
#: Where a container (Docker, Binder) sets limits on Linux.
CONTROL_GROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Finding:
    """One line of the table."""

    topic: str
    found: str
    remedy: str = ""  #: what to do; empty where nothing is wrong


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command has no options."""


def run(options: argparse.Namespace) -> int:
    """Print the table; the exit status is 1 where something needs a look."""
    findings = check_machine()
    if hasattr(sys.stdout, "reconfigure"):  # a variable may hold what the terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    print(format_findings(findings))
    return int(any(finding.remedy for finding in findings))


def check_machine() -> list[Finding]:
    """Look at everything lessons depend on; never raises for what a learner can mend."""
    findings: dict[str, Finding] = {}
    for topic, look in _TOPICS.items():
        if topic in _NEED_TORCH and findings["torch"].remedy:
            # After a first failure torch cannot even be tried again in the same process.
            waits = "repair torch first, see above"
            findings[topic] = Finding(topic, "not looked at: it needs torch", waits)
        else:
            findings[topic] = _guarded(topic, look)
    return list(findings.values())


def format_findings(findings: list[Finding]) -> str:
    """The findings as text, each problem followed by its remedy."""
    lines = []
    for finding in findings:
        mark = "LOOK" if finding.remedy else "ok"
        lines.append(f"{mark:5} {finding.topic:13} {finding.found}")
        if finding.remedy:
            lines.append(textwrap.indent(textwrap.fill("-> " + finding.remedy, 80), " " * 20))
    return "\n".join(lines).encode(errors="backslashreplace").decode()  # bytes that are no text


def _guarded(topic: str, look: Callable[[], tuple[str, str]]) -> Finding:
    try:
        return Finding(topic, *look())
    except QdvaeError as error:  # its message holds the remedy
        return Finding(topic, "not usable", _without_folders(str(error)))
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: "~" of an unknown user
        # Not the whole message: it may hold a folder outside the repository.
        why = getattr(error, "strerror", None) or type(error).__name__
        remedy = "look at the folders that QDVAE_DATA and QDVAE_MODELS name, and who may read them"
        return Finding(topic, f"cannot be read ({why})", remedy)
    except Exception as error:  # a library that does not fit the others fails in any way
        why = _without_folders(f"{type(error).__name__}: {error}")
        remedy = "set up the environment again: docs/install.md"
        return Finding(topic, f"cannot be loaded ({why})", remedy)


def _without_folders(text: str) -> str:
    """A message without the folders in which things lie here, or anything else outside."""
    set_here = (os.environ.get(name, "") for name in ("QDVAE_DATA", "QDVAE_MODELS"))
    folders = {str(ROOT), sys.prefix, sys.base_prefix, os.path.expanduser("~"), *set_here}
    for folder in sorted(filter(os.path.isabs, folders), key=len, reverse=True):
        if named := folder.rstrip("/\\"):  # "/" alone would be every slash
            # Of the repository's own files the way is shown; a blank in another's ends no name.
            text = text.replace(named + os.sep, "" if folder == str(ROOT) else "/./")
    return _FOLDERS.sub("", text)


#: An absolute path up to its last part; no relative path, no address.
_FOLDERS = re.compile(r"(?<![\w.:/\\-])(?:~[\w.-]*|[A-Za-z]:)?[\\/](?:[^\\/\s'\"]+[\\/])+")


def _machine() -> tuple[str, str]:
    try:
        from packaging.tags import platform_tags
    except ImportError:  # nothing could be installed, which is when this row is wanted
        from pip._vendor.packaging.tags import platform_tags

    tags = list(platform_tags())
    found = sysconfig.get_platform()
    if not _PLATFORMS.isdisjoint(tags):
        return found, ""
    why = (text for name, text in _CANNOT_INSTALL.items() if any(re.match(name, t) for t in tags))
    remedy = next(why, "some libraries are not made for this platform")
    return f"{found}, where not all can be installed", f"{remedy}. {_BROWSER}"


_BROWSER = "Or work in the browser, with Codespaces, Binder or Colab: docs/install.md"


def _python() -> tuple[str, str]:
    first, beyond = _PYTHONS
    version, kind = sys.version_info[:2], platform.python_implementation()
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        kind = "free-threaded"
    if version >= beyond:
        why = "the lessons have not been tested with it yet, so pip refuses it: "
    elif kind != "CPython":
        why = "some libraries are made for the usual CPython only: "
    elif version < first:
        why = ""
    else:
        return platform.python_version(), ""
    found = platform.python_version() + (f", {kind}" if kind != "CPython" else "")
    remedy = "make an environment with Python 3.11, 3.12 or 3.13: docs/install.md"
    return found, why + remedy


def _packages() -> tuple[str, str]:
    from qdvae_helpers.requirements import base_requirements, unmet

    needed = base_requirements()
    if wrong := unmet(needed):
        remedy = "run python -m pip install -c constraints.txt -e . in the repository"
        return "; ".join(f"{text} (here: {found})" for text, found in wrong.items()), remedy
    return f"all {len(needed)} within their ranges", ""


def _torch() -> tuple[str, str]:
    try:
        import torch
    except (OSError, ValueError, RuntimeError) as error:  # a library that it lacks, for example
        raise ImportError(str(error)) from error
    accelerator = "a GPU, which the lessons do not need" if torch.cuda.is_available() else "no GPU"
    return f"{torch.__version__}, {torch.get_num_threads()} threads, {accelerator}", ""


def _cores() -> tuple[str, str]:
    # Not the affinity: importing torch may bind the main thread to a single core.
    cores = float(os.cpu_count() or 1)
    quota, _, period = _control_group("cpu.max").partition(" ")
    if quota.isdigit():
        cores = min(cores, int(quota) / int(period))
    remedy = "all works, more slowly; QDVAE_PROFILE=fast is for a first look round"
    return f"{cores:.3g}", "" if cores >= 2 else remedy


def _memory() -> tuple[str, str]:
    import psutil

    total, free = psutil.virtual_memory().total, psutil.virtual_memory().available
    limit, used = _control_group("memory.max"), _control_group("memory.current")
    if limit.isdigit() and int(limit) < total:
        total = int(limit)
        free = min(free, total, total - int(used) + _reclaimable() if used.isdigit() else total)
    remedy = "close other notebooks (menu Kernel, Shut Down All Kernels) and other programs"
    found = f"{total / 1e9:.0f} GB, of which {free / 1e9:.1f} are free"
    return found, "" if free >= _MIN_FREE_GB * 1e9 else remedy


def _reclaimable() -> int:
    """Bytes of cached files that a container would give back; ``docker stats`` subtracts them."""
    lines = (line.partition(" ") for line in _control_group("memory.stat").splitlines())
    return next((int(n) for name, _, n in lines if name == "inactive_file" and n.isdigit()), 0)


def _control_group(name: str) -> str:
    """A limit that a container sets; empty where there is none."""
    try:
        return (CONTROL_GROUP / name).read_text().strip()
    except OSError:
        return ""


def _counts(name: str) -> str:
    from qdvae_helpers.idx_files import read_split

    counts = [len(read_split(name, split)[0]) for split in ("train", "test")]
    return "whole, {:,} and {:,} images".format(*counts)


def _mnist() -> tuple[str, str]:
    return _counts("mnist"), ""


def _fashion_mnist() -> tuple[str, str]:
    from qdvae_helpers.idx_files import FASHION_MNIST_SHA256, find_fashion

    if not all(map(find_fashion, FASHION_MNIST_SHA256)):  # reading would download them
        return "not here; no lesson needs it", ""
    return _counts("fashion-mnist"), ""


def _profile() -> tuple[str, str]:
    from qdvae_helpers.profiles import current_profile

    return f"{current_profile().name} ({_origin('QDVAE_PROFILE')})", ""


def _qpu() -> tuple[str, str]:
    if os.environ.get("DWAVE_API_TOKEN", "").strip():
        return "a token is set: lessons may ask for the graph of your QPU", ""
    return "no token set, and none needed", ""


def _model() -> tuple[str, str]:
    from qdvae_helpers.checkpoints import load_pretrained

    return f"qdvae-256, {load_pretrained('qdvae-256').n_spins} spins", ""


def _sampler() -> tuple[str, str]:
    from qdvae_helpers.qpu.budget import VARIABLE, budget_s
    from qdvae_helpers.samplers import sampler_kind

    kind = sampler_kind()
    nature, remedy = "classical", ""
    if kind == "exact":
        remedy = "it serves up to about 56 qubits: unset QDVAE_SAMPLER for lessons 05 and 06"
    elif kind == "recorded":
        nature = "saved samples, as a rule of a classical simulation"
        remedy = "they serve the shipped model alone: unset QDVAE_SAMPLER for lesson 05"
    elif kind == "qpu":
        nature = "a real QPU"
        if budget_s() == 0:
            remedy = f"nothing is submitted without a budget: set {VARIABLE}, see docs/qpu.md"
    return f"{kind} ({_origin('QDVAE_SAMPLER')}), {nature}", remedy


def _own_models() -> tuple[str, str]:
    from qdvae_helpers.checkpoints import models_dir

    folder = models_dir().resolve()
    there = next((parent for parent in (folder, *folder.parents) if parent.exists()), folder)
    free = shutil.disk_usage(there).free / 1e9
    remedy = ""
    if not there.is_dir():
        remedy = "no folder: set QDVAE_MODELS to a folder of yours"
    elif not os.access(there, os.W_OK):
        remedy = "not writable: set QDVAE_MODELS to a folder of yours"
    elif free < _MIN_DISK_GB:
        remedy = "the disk is full: delete files, or set QDVAE_MODELS to another disk"
    place = "the folder that QDVAE_MODELS names"
    if folder.is_relative_to(ROOT):
        place = f"{folder.relative_to(ROOT).as_posix()} ({_origin('QDVAE_MODELS')})"
    return f"saved in {place}, {free:.0f} GB free", remedy


def _origin(variable: str) -> str:
    return variable if os.environ.get(variable) else "default"


_TOPICS: dict[str, Callable[[], tuple[str, str]]] = {
    "machine": _machine,
    "Python": _python,
    "packages": _packages,
    "torch": _torch,
    "cores": _cores,
    "memory": _memory,
    "MNIST": _mnist,
    "Fashion-MNIST": _fashion_mnist,
    "model": _model,
    "sampler": _sampler,
    "profile": _profile,
    "own models": _own_models,
    "QPU": _qpu,
}
_NEED_TORCH = ("model", "sampler", "own models")
