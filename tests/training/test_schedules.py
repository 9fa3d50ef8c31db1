"""What changes from step to step: functions of the step alone."""

import pytest
import torch

from qdvae_helpers.training.schedules import (
    batch_rows,
    calls_left,
    kl_weight,
    learning_rate_share,
    seed_of_process,
)

# Learning rate -----------------------------------------------------------------------------------


def test_the_learning_rate_rises_to_its_peak_and_falls_along_half_a_cosine():
    def share(step):
        return learning_rate_share(step, steps=1_000, warm_up=0.1)

    assert share(0) == pytest.approx(0.01)
    assert share(49) == pytest.approx(0.5)
    assert share(99) == share(100) == 1  # the end of the rise and the start of the fall
    assert share(325) == pytest.approx(0.5 * (1 + 0.5**0.5))
    assert share(550) == pytest.approx(0.5)
    assert 0 < share(999) < 1e-5


@pytest.mark.parametrize("warm_up", [0.0, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 20, 100])
def test_the_learning_rate_is_never_zero_nor_above_its_peak(steps, warm_up):
    shares = [learning_rate_share(step, steps=steps, warm_up=warm_up) for step in range(steps)]
    assert all(0 < share <= 1 for share in shares)
    assert max(shares) == 1
    peak = shares.index(1)
    assert shares[: peak + 1] == sorted(shares[: peak + 1])
    assert shares[peak:] == sorted(shares[peak:], reverse=True)


def test_the_decoders_steps_have_a_rise_and_a_fall_of_their_own_up_to_half():
    whole, decoder = 300, 200

    def share(step):
        return learning_rate_share(step, steps=500, warm_up=0.1, decoder_steps=decoder)

    alone = [learning_rate_share(step, steps=whole, warm_up=0.1) for step in range(whole)]
    assert [share(step) for step in range(whole)] == alone
    after = [learning_rate_share(step, steps=decoder, warm_up=0.1) / 2 for step in range(decoder)]
    assert [share(whole + step) for step in range(decoder)] == pytest.approx(after)
    assert share(300) == pytest.approx(0.5 / 20)
    assert share(319) == 0.5


# Weight of the divergence ------------------------------------------------------------------------


def test_the_divergence_counts_more_at_every_step_until_the_rise_ends():
    assert kl_weight(0) == 1 / 200
    assert kl_weight(99) == 0.5
    assert kl_weight(199) == kl_weight(200) == kl_weight(10**6) == 1
    assert kl_weight(0, weight=3.0, rise=10) == pytest.approx(0.3)
    assert kl_weight(9, weight=3.0, rise=10) == 3
    assert kl_weight(5, weight=0.0) == 0


@pytest.mark.parametrize("rise", [0, 1])
def test_without_a_rise_the_weight_is_full_at_once(rise):
    assert kl_weight(0, weight=0.7, rise=rise) == 0.7


# Samples -----------------------------------------------------------------------------------------


def test_calls_are_counted_from_the_next_step_on():
    found = [calls_left(step, whole_steps=10, sample_every=3) for step in range(11)]
    assert found == [4, 3, 3, 3, 2, 2, 2, 1, 1, 1, 0]  # at steps 0, 3, 6 and 9
    assert [calls_left(step, whole_steps=3, sample_every=1) for step in range(4)] == [3, 2, 1, 0]


def test_the_decoders_steps_cost_no_calls():
    found = [calls_left(step, whole_steps=20, sample_every=3) for step in (0, 10, 19, 20, 25)]
    assert found == [7, 3, 0, 0, 0]


# Batches -----------------------------------------------------------------------------------------


def rows(steps, **changes) -> list[torch.Tensor]:
    options = {"n_images": 103, "batch_size": 10, "seed": 0} | changes
    return [batch_rows(step, **options) for step in steps]


def test_an_epoch_shows_every_image_once_in_whole_batches():
    first, second = torch.cat(rows(range(10))), torch.cat(rows(range(10, 20)))
    for epoch in (first, second):
        assert len(epoch) == 100  # three are left over
        assert len(epoch.unique()) == 100
        assert 0 <= epoch.min() <= epoch.max() < 103
    assert not torch.equal(first, second)


def test_rows_depend_on_step_and_seed_alone():
    forwards = rows(range(30))
    backwards = rows(reversed(range(30)))[::-1]
    assert all(torch.equal(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert not torch.equal(forwards[0], rows([0], seed=1)[0])


def test_processes_share_a_batch():
    (whole,) = rows([3])
    (first,), (second,) = (rows([3], rank=rank, processes=2) for rank in (0, 1))
    assert len(first) == len(second) == 5
    assert torch.equal(torch.cat([first, second]).sort().values, whole.sort().values)


def test_every_process_has_a_seed_of_its_own_and_the_first_the_runs():
    assert seed_of_process(7, 0) == 7
    seeds = {seed_of_process(seed, rank) for seed in range(100) for rank in range(8)}
    assert len(seeds) == 800


@pytest.mark.parametrize("steps", [21, 30, 50, 1_170])
def test_a_rise_that_ends_between_two_steps_does_not_pass_the_peak(steps):
    shares = [learning_rate_share(step, steps=steps) for step in range(steps)]
    assert 0.9 < max(shares) <= 1
