"""The package itself: the names to begin with, and an import that costs next to nothing."""

import os
import subprocess
import sys

import pytest

import qdvae_helpers
from qdvae_helpers import load_images, load_pretrained, make_sampler
from qdvae_helpers.checkpoints import load_pretrained as pretrained
from qdvae_helpers.data import load_images as images
from qdvae_helpers.samplers import make_sampler as sampler


def run(code: str, **environment) -> list[str]:
    """Lines that a new Python prints."""
    inherited = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    command = [sys.executable, "-c", code]
    options = {"capture_output": True, "text": True, "check": True}
    return subprocess.run(command, env=inherited | environment, **options).stdout.splitlines()


def test_the_names_to_begin_with_are_those_of_their_rooms():
    assert (load_images, load_pretrained, make_sampler) == (images, pretrained, sampler)
    assert {"load_images", "load_pretrained", "make_sampler"} <= set(dir(qdvae_helpers))
    assert set(qdvae_helpers.__all__) <= set(dir(qdvae_helpers))
    assert qdvae_helpers.__version__


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'load_picture'"):
        qdvae_helpers.load_picture  # noqa: B018


def test_importing_the_package_loads_neither_torch_nor_d_waves_libraries():
    found = run(
        "import sys, qdvae_helpers\n"
        "print([name for name in ('torch', 'dwave', 'dimod', 'numpy') if name in sys.modules])\n"
        "from qdvae_helpers import load_images\n"
        "print('torch' in sys.modules)"
    )
    assert found == ["[]", "True"]


def test_waiting_threads_are_told_to_spin_briefly_unless_somebody_said_otherwise():
    code = "import os, qdvae_helpers; print(os.environ['GOMP_SPINCOUNT'])"
    assert run(code) == ["1000"]
    assert run(code, GOMP_SPINCOUNT="7") == ["7"]
