"""Clusters of similar images, which a prior may take for classes."""

import warnings

import numpy as np
import pytest
import torch

from qdvae_helpers import clusters
from qdvae_helpers.checkpoints import load_pretrained
from qdvae_helpers.data import ImageSet, load_images
from qdvae_helpers.errors import SettingError


def test_clusters_are_of_similar_images_and_repeat_with_their_seed(digits):
    found, owners = digits.clustered(10)
    assert torch.equal(found.images, digits.images)
    assert owners.tolist() == [-1] * 10
    assert found.labels.dtype == torch.int64
    assert found.labels.unique().tolist() == list(range(10))
    assert str(found.source).endswith("in 10 clusters (seed 0)")
    assert found.source.clustered
    assert not digits.source.clustered
    assert torch.equal(found.labels, digits.clustered(10)[0].labels)
    other = digits.clustered(10, seed=1)[0]
    assert not torch.equal(found.labels, other.labels)
    assert "(seed 1)" in str(other.source)

    def spread(labels):
        parts = [digits.images[labels == y] for y in labels.unique()]
        return sum(float((part - part.mean(0)).square().sum()) for part in parts)

    generator = torch.Generator().manual_seed(0)
    shuffled = found.labels[torch.randperm(300, generator=generator)]
    assert spread(found.labels) < 0.85 * spread(shuffled)


def test_clusters_follow_neighbours_so_that_digits_stay_apart(monkeypatch):
    images = load_images(limit=6_000)

    def share_of_one_digit():
        found = images.clustered(50)[0].labels
        counts = torch.zeros(50, 10).index_put((found, images.labels), torch.ones(1), True)
        return float(counts.amax(1).sum()) / len(images)

    along = share_of_one_digit()
    monkeypatch.setattr(clusters, "_among_neighbours", lambda points, n: points)
    assert along > share_of_one_digit() + 0.05


def test_classes_of_the_shipped_model_are_found_again_as_lessons_08_and_10_do():
    shares = load_pretrained("qdvae-256").grbm.shares
    found, _ = load_images().rounded().clustered(len(shares))
    again = torch.bincount(found.labels, minlength=len(shares)) / len(found)
    assert float((shares - again).abs().sum()) < 0.02  # an image in a hundred, on other machines


@pytest.mark.parametrize(("n", "k"), [(2, 2), (9, 3), (20, 10), (40, 8)])
def test_few_images_are_not_moved_into_one(n, k, digits):
    owners = digits.first(n).clustered(k)[1]
    assert len(owners) == k


def test_neighbours_of_very_many_images_are_looked_for_among_some(monkeypatch, digits):
    monkeypatch.setattr(clusters, "_LOOKED_AT", 150)
    points = np.random.default_rng(0).normal(size=(300, 2)) + np.repeat([0, 9], 150)[:, None]
    moved = clusters._among_neighbours(points, 10)
    assert moved.shape == points.shape
    assert moved[:150].max() < 4 < 5 < moved[150:].min()
    assert moved.std(0).sum() < points.std(0).sum()
    assert len(digits.clustered(8)[1]) == 8


def test_clusters_within_labels_never_cross_them(digits):
    found, owners = digits.clustered(3, within_labels=True)
    assert owners.tolist() == [label for label in range(10) for _ in range(3)]
    assert torch.equal(owners[found.labels], digits.labels)
    assert "in 30 clusters within labels (seed 0)" in str(found.source)
    assert not found.source.clustered  # their labels were somebody's
    one, owners = digits.clustered(1, within_labels=True)
    assert torch.equal(one.labels, digits.labels)
    assert owners.tolist() == list(range(10))


def test_labels_may_be_any_numbers(digits):
    images = ImageSet(digits.images, 100 - 7 * digits.labels, digits.source)
    found, owners = images.clustered(2, within_labels=True)
    assert torch.equal(owners[found.labels], images.labels)
    bare = ImageSet.from_array(digits.images)
    assert len(bare.clustered(4)[1]) == 4


def test_equal_images_make_fewer_clusters(digits):
    images = ImageSet.from_array(digits.images[:1].repeat(20, 1, 1, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn says so
        found, owners = images.clustered(3)
    assert found.labels.unique().tolist() == list(range(len(owners)))


@pytest.mark.parametrize("k", [0, -1, 2.5, True, None, 257, "3"])
def test_a_number_of_clusters_that_is_none_is_refused(k, digits):
    with pytest.raises(SettingError, match="k="):
        digits.clustered(k)


def test_clusters_that_cannot_be_are_refused(digits):
    with pytest.raises(SettingError, match="5 images cannot make 6 clusters"):
        digits.first(5).clustered(6)
    with pytest.raises(SettingError, match="images cannot make 100 clusters"):
        digits.clustered(100, within_labels=True)
    bare = ImageSet.from_array(digits.images)
    with pytest.raises(SettingError, match="Some images have no label"):
        bare.clustered(2, within_labels=True)
    with pytest.raises(SettingError, match="seed"):
        digits.clustered(2, seed=-1)
