"""The judge and the scores that rest on it."""

import math

import pytest
import torch
from safetensors.torch import save_file
from small_models import class_grbm

from qdvae_helpers.data import held_out_sample
from qdvae_helpers.errors import CheckpointError, DataError, SamplerError, SettingError
from qdvae_helpers.evaluate import energy_decorrelation, enumerate_states, moment_gap, quality
from qdvae_helpers.judge import JUDGES, load_judge, resize
from qdvae_helpers.likelihood import log_partition_function
from qdvae_helpers.priors import of_class
from qdvae_helpers.samplers import estimate_beta, make_sampler


@pytest.fixture(scope="module")
def judge():
    return load_judge()


@pytest.fixture(scope="module")
def digits_twice():
    images = held_out_sample(1_400).images
    return images[:700], images[700:]


def test_the_judge_knows_held_out_digits_in_all_four_views(judge):
    test = held_out_sample(2_000)
    for pixels in (28, 32):
        for images in (test.images, test.images.round()):
            right = judge.classify(resize(images, pixels)) == test.labels
            assert right.float().mean() > 0.97


@pytest.mark.parametrize("name", list(JUDGES))
def test_a_judge_that_ships_is_loaded_by_its_data_set_or_its_file(name):
    images = held_out_sample(20).images
    features = load_judge(name)(images)
    assert features.shape == (20, 64)
    assert torch.equal(load_judge(JUDGES[name])(images), features)
    assert torch.equal(load_judge(str(JUDGES[name]))(images), features)
    assert torch.equal(load_judge()(images), features) == (name == "mnist")


def test_the_judge_of_garments_knows_held_out_ones():
    try:
        test = held_out_sample(2_000, "fashion-mnist")
    except DataError as error:
        pytest.skip(str(error))
    judge = load_judge("fashion-mnist")
    right = judge.classify(test.images) == test.labels
    assert right.float().mean() > 0.9
    right = judge.classify(test.images.flip(3)) == test.labels  # a garment in a mirror is one
    assert right.float().mean() > 0.9


def test_a_missing_or_damaged_judge_is_named_with_its_remedy(tmp_path):
    path = tmp_path / "judge.safetensors"
    with pytest.raises(CheckpointError, match="missing: run python tools/train_judge"):
        load_judge(path)
    with pytest.raises(CheckpointError, match=r"cifar is missing.*ships \(mnist, fashion-mnist\)"):
        load_judge("cifar")
    for tensors in (None, {"a": torch.zeros(1)}):
        path.write_bytes(b"damaged") if tensors is None else save_file(tensors, path)
        with pytest.raises(CheckpointError, match=r"judge\.safetensors is damaged .*fetch"):
            load_judge(path)


def test_real_against_real_is_close_and_noise_is_far(judge, digits_twice):
    first, second = digits_twice
    close = quality(first, second, judge)
    far = quality(torch.rand_like(first), second, judge)
    assert close.frechet < 0.2 * far.frechet
    assert close.kernel < 0.2 * far.kernel
    assert min(close.precision, close.recall, close.coverage) > 0.7
    # Precision is no help: to the judge all noise is alike, and near one odd digit.
    assert far.recall < 0.1
    assert far.coverage < 0.1


def test_a_set_against_itself_is_perfect(judge, digits_twice):
    images = digits_twice[0][:400]
    score = quality(images, images, judge)
    assert score.frechet == pytest.approx(0, abs=1e-2)
    assert (score.precision, score.recall, score.coverage) == (1, 1, 1)


def test_few_kinds_of_images_cost_recall_and_coverage(judge, digits_twice):
    real = digits_twice[1]
    some = held_out_sample(1_400)
    one_kind = some.images[some.labels == 1][:140].repeat(5, 1, 1, 1)
    score = quality(one_kind, real, judge)
    assert score.smallest_class < 0.02
    assert score.recall < 0.5
    assert score.coverage < 0.3


def test_scores_repeat_and_leave_the_random_state_alone(judge, digits_twice):
    torch.manual_seed(3)
    first = quality(*digits_twice, judge)
    after = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(1), after)
    assert quality(*digits_twice, judge) == first


@pytest.mark.parametrize("n", [0, 1, 5])
def test_too_few_generated_images_are_refused(judge, digits_twice, n):
    with pytest.raises(SettingError, match="score at least 6"):
        quality(digits_twice[0][:n], digits_twice[1], judge)


def test_six_generated_images_can_be_scored(judge, digits_twice):
    score = quality(digits_twice[0][:6], digits_twice[1], judge)
    assert all(math.isfinite(value) for value in score)


def test_too_few_real_images_are_refused(judge, digits_twice):
    with pytest.raises(SettingError, match="at least as many"):
        quality(digits_twice[0], digits_twice[1][:10], judge)


def test_images_of_32_pixels_are_scored_too(judge, digits_twice):
    first, second = (resize(part[:50], 32) for part in digits_twice)
    assert math.isfinite(quality(first, second, judge).frechet)


def test_images_of_other_sizes_or_in_colour_are_refused(judge, digits_twice):
    first, second = (part[:50] for part in digits_twice)
    for wrong in (resize(first, 32), first.expand(-1, 3, -1, -1)):
        with pytest.raises(SettingError, match=r"grey images.*of one size"):
            quality(wrong, second, judge)
    colours = second.expand(-1, 3, -1, -1)
    with pytest.raises(SettingError, match="grey images"):
        quality(colours, colours, judge)


# With classes ------------------------------------------------------------------------------------


@pytest.fixture
def prior3(graph12):
    return class_grbm(graph12)


def test_the_gap_weighs_classes_by_their_shares(prior3, graph12):
    prior3.class_biases.data.mul_(3)
    sampler = make_sampler(prior3, "exact", num_samples=30_000, graph=graph12)
    logits = 50 * sampler.sample()  # an encoder whose spins follow the prior
    sampler.classes = torch.arange(30_000) % 3
    spins = sampler.sample()
    assert moment_gap(prior3, logits, spins, sampler.classes) < 0.015  # of finite samples
    assert moment_gap(prior3, logits, spins) > 0.05  # as if the shares were even, too
    one = torch.zeros(30_000, dtype=torch.int64)
    alone = of_class(prior3)
    assert moment_gap(alone, logits, spins, one) == moment_gap(alone, logits, spins)


def test_chains_need_not_change_their_class_to_count_as_moved(prior3, graph12):
    prior3.class_biases.data.mul_(5)  # energies of the classes lie far apart
    sampler = make_sampler(prior3, "exact", num_samples=3_000, graph=graph12)
    before, after, classes = sampler.sample(), sampler.sample(), sampler.classes
    assert energy_decorrelation(prior3, before, after, classes) > 0.9
    assert energy_decorrelation(prior3, before, before, classes) < 1e-6


def test_what_each_class_has_for_itself_is_not_asked_of_all_at_once(prior3):
    spins = torch.ones(9, 12)
    with pytest.raises(SettingError, match=r"has 3 classes: enumerate one .*of_class\(grbm, y\)"):
        enumerate_states(prior3)
    with pytest.raises(SettingError, match=r"its own Z: class_partition_functions\(grbm\)"):
        log_partition_function(prior3)
    for classes in (None, torch.zeros(8, dtype=torch.int64), torch.full((9,), 3)):
        with pytest.raises(SamplerError, match="classes"):
            estimate_beta(prior3, spins, classes)
