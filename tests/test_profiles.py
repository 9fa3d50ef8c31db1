"""The profiles."""

import pytest

from qdvae_helpers.errors import SettingError
from qdvae_helpers.profiles import PROFILES, current_profile


def test_profiles_are_chosen_by_name(monkeypatch):
    monkeypatch.setenv("QDVAE_PROFILE", "fast")
    assert current_profile() is PROFILES["fast"]
    monkeypatch.setenv("QDVAE_PROFILE", "")
    assert current_profile() is PROFILES["lesson"]
    monkeypatch.setenv("QDVAE_PROFILE", "quick")
    with pytest.raises(SettingError, match="'quick' is not a profile: choose one of fast, lesson"):
        current_profile()
