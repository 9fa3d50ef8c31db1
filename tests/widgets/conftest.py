"""Fixtures of the widgets' tests: short runs, a small model."""

import pytest

from qdvae_helpers.models import QDVAE


@pytest.fixture(autouse=True)
def short_runs(monkeypatch):
    monkeypatch.setenv("QDVAE_PROFILE", "fast")


@pytest.fixture
def model12(graph12) -> QDVAE:
    return QDVAE(graph12, (16,)).eval()
