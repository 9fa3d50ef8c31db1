"""One model, and samplers of every kind for it."""

import pytest

from qdvae_helpers.qpu.recordings import save_recording
from qdvae_helpers.samplers import make_sampler, record


@pytest.fixture
def build(make_live, home_grbm, home, tmp_path):
    """Builds a sampler of any kind; those with a device know their prefactor."""

    def build(kind, **options):
        options = {"num_samples": 20} | options
        if kind == "qpu":
            return make_live(**options)
        if kind == "annealer":
            options = {"prefactor": 0.15, "num_sweeps": 100} | options
        if kind == "recorded":
            options["path"] = tmp_path / "recorded.safetensors"
            if not options["path"].exists():
                save_recording(record(build("annealer"), 200), options["path"])
        return make_sampler(home_grbm, kind, graph=home, **options)

    return build
