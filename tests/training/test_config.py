"""What decides a training run."""

import pytest

from qdvae_helpers.errors import SettingError
from qdvae_helpers.profiles import PROFILES
from qdvae_helpers.training import RECIPES, TrainConfig

LESSON = PROFILES["lesson"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"recipe": "gan"}, "no recipe 'gan': choose one of elbo, iwae, mmd"),
        ({"recipe": "iwae"}, "spin_draws=2 or more"),
        ({"steps": 0}, "steps=0 must be 1 or more"),
        ({"seed": -1}, "seed=-1 must be 0 or more"),
        ({"kl_weight": -0.1}, "kl_weight=-0.1 must be 0 or more"),
        ({"kl_warm_up": -1}, "kl_warm_up=-1 must be 0 or more"),
        ({"learning_rate": 0.0}, "learning_rate=0.0 must be more than 0"),
        ({"prior_learning_rate": -1e-3}, "prior_learning_rate=-0.001 must be more than 0"),
        ({"warm_up": -0.1}, "warm_up=-0.1 must be 0 or more"),
        ({"warm_up": 1.5}, "warm_up=1.5 is a fraction of the steps: choose 0 to 1"),
        ({"kl_weight": float("nan")}, "kl_weight=nan must be a finite number"),
        ({"learning_rate": float("inf")}, "learning_rate=inf must be a finite number"),
        ({"steps": 30, "decoder_steps": 30}, "decoder_steps=30 are the last of steps=30"),
    ],
)
def test_settings_out_of_their_range_are_refused(changes, why):
    with pytest.raises(SettingError, match=why):
        TrainConfig(**changes)


@pytest.mark.parametrize("name", ["kl_weight", "kl_warm_up", "weight_decay", "mmd_weight"])
def test_numbers_at_the_ends_of_their_range_are_kept(name):
    assert getattr(TrainConfig(**{name: 0}), name) == 0
    assert [TrainConfig(warm_up=end).warm_up for end in (0.0, 1.0)] == [0, 1]


def test_the_decoders_steps_are_the_last():
    assert TrainConfig(steps=30, decoder_steps=29).whole_steps == 1
    assert TrainConfig(steps=30).whole_steps == 30


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_gives_its_own_numbers(name):
    profile = PROFILES[name]
    config = TrainConfig.for_profile(profile, seed=3)
    assert (config.steps, config.batch_size) == (profile.steps, profile.batch_size)
    assert (config.recipe, config.seed, config.sample_every) == ("elbo", 3, 1)
    assert TrainConfig.for_profile(profile, seed=3, steps=profile.steps) == config


@pytest.mark.parametrize(
    ("steps", "reports", "rise"), [(1, 1, 1), (8, 1, 1), (100, 8, 20), (24_000, 1_715, 200)]
)
def test_two_settings_follow_the_number_of_steps_unless_they_are_given(steps, reports, rise):
    config = TrainConfig.for_profile(LESSON, steps=steps)
    assert (config.report_every, config.kl_warm_up) == (reports, rise)
    kept = TrainConfig.for_profile(LESSON, steps=steps, kl_warm_up=300, report_every=30)
    assert (kept.report_every, kept.kl_warm_up) == (30, 300)


def test_recipes_bring_their_own_settings_unless_told_otherwise():
    configs = {recipe: TrainConfig.for_profile(LESSON, recipe=recipe) for recipe in RECIPES}
    assert {name: c.spin_draws for name, c in configs.items()} == {"elbo": 1, "iwae": 8, "mmd": 1}
    rates = {name: config.prior_learning_rate for name, config in configs.items()}
    assert rates == {"elbo": 5e-3, "iwae": 5e-3, "mmd": 0.03}
    assert TrainConfig.for_profile(LESSON) == configs["elbo"]
    told = TrainConfig.for_profile(LESSON, recipe="mmd", prior_learning_rate=0.01)
    assert told.prior_learning_rate == 0.01


@pytest.mark.parametrize("sampler", ["annealer", "exact", "recorded", "qpu"])
def test_a_device_is_asked_at_every_twentieth_step_unless_told_otherwise(sampler):
    assert TrainConfig.for_profile(LESSON, sampler).sample_every == 20
    assert TrainConfig.for_profile(LESSON, sampler, sample_every=3).sample_every == 3
