"""Images and where they come from, also when something is wrong with them."""

import json
import os
import socket

import numpy as np
import pytest
import torch
from PIL import Image

from qdvae_helpers.checkpoints import models_dir
from qdvae_helpers.data import ImageSet, Source, data_dir, held_out_sample, load_images
from qdvae_helpers.errors import DataError, SettingError
from qdvae_helpers.qpu.recordings import recording_folders

# --- data sets ---


def test_mnist_has_the_published_counts():
    train, test = load_images("mnist", "train"), load_images("mnist", "test")
    assert train.images.shape == (60_000, 1, 28, 28)
    assert test.images.shape == (10_000, 1, 28, 28)
    assert train.images.dtype == torch.float32
    assert (train.images.min(), train.images.max()) == (0, 1)
    assert torch.bincount(test.labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    assert str(train.source) == "MNIST train, 60,000 images"


def test_mnist_needs_neither_a_folder_nor_a_network(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise socket.gaierror("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("QDVAE_DATA", str(tmp_path / "nothing"))
    assert len(load_images("mnist", limit=500)) == 500
    assert not list(tmp_path.iterdir())


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(SettingError, match="'mnist' or 'fashion-mnist'"):
        load_images("minst")
    with pytest.raises(SettingError, match="'train' or 'test'"):
        load_images("mnist", "valid")
    with pytest.raises(SettingError, match="images=0 must be 1 or more"):
        load_images("mnist", limit=0)


# --- sources ---


@pytest.mark.parametrize(
    ("source", "caption"),
    [
        (Source("mnist", "train", 60_000), "MNIST train, 60,000 images"),
        (
            Source("fashion-mnist", "test", 5, ("rounded to black and white",)),
            "Fashion-MNIST test, 5 images, rounded to black and white",
        ),
        (
            Source("mnist", "test", 1_000, (), (10_000, 0)),
            "MNIST test, a random 1,000 of 10,000 images (seed 0)",
        ),
        (Source("my drawings", "", 3, ("inverted",)), "my drawings, 3 images, inverted"),
    ],
)
def test_a_source_prints_as_a_caption_and_survives_json(source, caption):
    assert f"{source}" == caption
    assert Source.from_dict(json.loads(json.dumps(source.to_dict()))) == source


@pytest.mark.parametrize("values", [{}, {"data_set": "mnist"}, "MNIST train", None])
def test_what_is_no_source_is_refused(values):
    with pytest.raises(DataError, match="no source of images"):
        Source.from_dict(values)


# --- parts and copies ---


def test_bent_copies_follow_the_originals_and_stay_digits():
    images = load_images("mnist", "train", limit=50)
    more = images.jittered(2, seed=3)
    assert more.images.shape == (150, 1, 28, 28)
    assert torch.equal(more.images[:50], images.images)
    assert torch.equal(more.labels, images.labels.repeat(3))
    assert torch.equal(more.images, images.jittered(2, seed=3).images)
    assert str(more.source) == "MNIST train, 50 images, and 2 gently bent copies of each"
    change = (more.images[50:100] - images.images).square().mean((1, 2, 3))
    between = (images.images.roll(1, 0) - images.images).square().mean((1, 2, 3))
    assert change.min() > 0
    assert change.mean() < 0.35 * between.mean()
    assert float(more.images.min()) >= 0
    assert float(more.images.max()) <= 1


def test_rounding_leaves_ink_and_paper_and_says_so(digits):
    black_white = digits.rounded()
    assert black_white.images.unique().tolist() == [0, 1]
    assert (black_white.images - digits.images).abs().max() <= 0.5
    assert str(black_white.source) == "MNIST train, 300 images, rounded to black and white"


def test_held_out_samples_are_nested_random_parts_of_the_test_set():
    test = load_images("mnist", "test")
    large, small = held_out_sample(1_000), held_out_sample(400)
    assert torch.equal(large.first(400).images, small.images)
    assert torch.equal(large.first(400).labels, small.labels)
    assert large.first(400).source == small.source
    same = test.sample(1_000)
    assert torch.equal(same.images, large.images)
    assert torch.equal(same.labels, large.labels)
    assert same.source == large.source
    every = held_out_sample(None)
    assert not torch.equal(every.images, test.images)
    assert torch.equal(torch.bincount(every.labels), torch.bincount(test.labels))
    assert not torch.equal(held_out_sample(400, seed=1).images, small.images)


def test_parts_say_what_they_are_part_of(digits):
    sample = digits.sample(20, seed=4)
    assert str(sample.source) == "MNIST train, a random 20 of 300 images (seed 4)"
    assert str(sample.first(7).source) == "MNIST train, a random 7 of 300 images (seed 4)"
    assert len(sample.sample(5).first(3)) == 3
    assert str(sample.sample(5).source).endswith("(seed 4), a random 5 of these (seed 0)")
    assert str(digits.first(9).source) == "MNIST train, 9 images"
    assert len(digits.first(1_000)) == 300
    copies = digits.jittered(1)
    assert str(copies.first(400).source).endswith("copies of each, the first 400 of these")
    assert str(copies.sample(400).source).endswith("copies of each, a random 400 of these (seed 0)")


@pytest.mark.parametrize(
    "ask", [lambda s: s.first(0), lambda s: s.sample(0), lambda s: s.sample(301)]
)
def test_parts_that_cannot_be_had_are_refused(ask, digits):
    with pytest.raises(SettingError, match=r"must be 1 or more|ask for fewer"):
        ask(digits)


def test_a_fingerprint_knows_labels(digits):
    one, _ = digits.clustered(5)
    other, _ = digits.clustered(5, seed=1)
    assert len({part.fingerprint() for part in (digits, one, other)}) == 3
    assert digits.clustered(5)[0].fingerprint() == one.fingerprint()


def test_a_fingerprint_knows_order_and_shape(digits):
    assert digits.fingerprint() == load_images("mnist", limit=300).fingerprint()
    others = [digits.first(299), digits.sample(None), digits.rounded()]
    assert digits.fingerprint() not in [other.fingerprint() for other in others]


# --- images of one's own ---


@pytest.mark.parametrize("shape", [(3, 28, 28), (3, 1, 28, 28)])
@pytest.mark.parametrize("kind", ["uint8", "float32", "float64", "tensor"])
def test_own_arrays_become_an_image_set(shape, kind):
    array = np.arange(3 * 784).reshape(shape) % 256
    given = {
        "uint8": array.astype(np.uint8),
        "float32": (array / 255).astype(np.float32),
        "float64": array / 255,
        "tensor": torch.tensor(array / 255, requires_grad=True),
    }[kind]
    images = ImageSet.from_array(given, labels=[3, 1, 2], name="my drawings")
    assert images.images.shape == (3, 1, 28, 28)
    assert images.images.dtype == torch.float32
    assert torch.allclose(images.images.flatten(), torch.tensor(array.flatten() / 255).float())
    assert images.labels.tolist() == [3, 1, 2]
    assert str(images.source) == "my drawings, 3 images"


@pytest.mark.parametrize("array", [np.zeros((2, 28, 28), np.float32), torch.zeros(2, 28, 28)])
def test_an_own_array_is_copied_and_needs_no_labels(array):
    images = ImageSet.from_array(array)
    array[:] = 1
    assert images.images.max() == 0
    assert images.labels.tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((0, 28, 28)), "N at least 1"),
        (np.zeros((28, 28)), r"images\[None\]"),
        (np.zeros((2, 32, 32)), "from_folder resizes"),
        (np.zeros((2, 3, 28, 28)), "give \\(N, 28, 28\\)"),
        (np.full((2, 28, 28), np.nan), "in \\[0, 1\\]"),
        (np.full((2, 28, 28), np.inf), "in \\[0, 1\\]"),
        (np.full((2, 28, 28), 255.0), "by 255"),
        (np.full((2, 28, 28), -0.1), "from -0.1"),
        (np.zeros((2, 28, 28), np.int64), "int64: give uint8"),
        (np.zeros((2, 28, 28), complex), "complex128: give uint8"),
        (np.full((2, 28, 28), "ink"), "no array of numbers"),
    ],
)
def test_arrays_that_are_no_images_are_refused(array, said):
    with pytest.raises(SettingError, match=said):
        ImageSet.from_array(array)


@pytest.mark.parametrize("labels", [[1], [[1], [2]], [0.5, 1.0]])
def test_labels_that_do_not_fit_are_refused(labels):
    with pytest.raises(SettingError, match="one whole number per image"):
        ImageSet.from_array(np.zeros((2, 28, 28)), labels)


@pytest.fixture
def stroke() -> Image.Image:
    """A bright upright stroke on black, four times too large."""
    pixels = np.zeros((112, 112), np.uint8)
    pixels[16:96, 48:64] = 255
    return Image.fromarray(pixels)


def test_a_folder_of_pictures_becomes_an_image_set(stroke, tmp_path):
    folder = tmp_path / "drawn"
    (folder / "inner").mkdir(parents=True)
    (folder / ".hidden").write_text("no picture, and nobody minds")
    stroke.save(folder / "b.png")
    stroke.convert("RGB").save(folder / "a.jpg", quality=95)
    Image.new("L", (28, 28)).save(folder / "c.png")
    images = ImageSet.from_folder(folder)
    assert str(images.source) == "drawn, 3 images"
    assert images.images[1, 0, 4:24, 12:16].mean() > 0.9
    assert images.images[1].mean() == pytest.approx(80 * 16 / 112**2, abs=0.01)
    assert (images.images[0] - images.images[1]).abs().max() < 0.1
    assert images.images[2].max() == 0


def test_dark_on_white_is_inverted_only_if_asked(stroke, tmp_path):
    Image.fromarray(255 - np.asarray(stroke)).save(tmp_path / "ink.png")
    as_it_is = ImageSet.from_folder(tmp_path, name="ink")
    inverted = ImageSet.from_folder(tmp_path, name="ink", invert=True)
    assert as_it_is.images.mean() > 0.8
    assert torch.allclose(inverted.images, 1 - as_it_is.images, atol=2 / 255)
    assert str(inverted.source) == "ink, 1 images, inverted"


@pytest.mark.parametrize("invert", [False, True])
def test_margins_and_transparent_parts_are_paper(invert, stroke, tmp_path):
    ink = Image.new("L", stroke.size, 0 if invert else 255)
    clear = Image.merge("LA", (ink, stroke)).crop((32, 0, 80, 112))  # taller than wide
    clear.save(tmp_path / "clear.png")
    image = ImageSet.from_folder(tmp_path, invert=invert).images[0, 0]
    assert image[:, :7].max() == image[:, -7:].max() == 0
    assert image[5:23, 13:15].min() > 0.9


@pytest.mark.parametrize("kind", ["text", "cut off", "16 bits"])
def test_a_file_that_is_no_picture_is_named(kind, stroke, tmp_path):
    file = tmp_path / "notes.png"
    if kind == "16 bits":
        Image.fromarray(np.full((28, 28), 40_000, np.uint16)).save(file)
    else:
        stroke.resize((500, 500)).save(file)
        file.write_bytes(b"not a picture" if kind == "text" else file.read_bytes()[:200])
    with pytest.raises(DataError, match=r"notes\.png cannot be read as a picture"):
        ImageSet.from_folder(tmp_path)


def test_a_folder_without_pictures_is_named(tmp_path):
    with pytest.raises(DataError, match="no pictures in"):
        ImageSet.from_folder(tmp_path)
    with pytest.raises(DataError, match="There is no folder"):
        ImageSet.from_folder(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["\x1b[2J", "a" * 2_000, "\ud800", "\u202e"])
def test_names_that_no_model_could_keep_are_refused(name, tmp_path):
    with pytest.raises(DataError, match="give name="):
        ImageSet.from_array(np.zeros((2, 28, 28), np.uint8), name=name)


@pytest.mark.parametrize("name", ["bags\u00a0and boots", "\U0001f469\u200d\U0001f52c"])
def test_names_with_unusual_characters_are_names(name):
    assert ImageSet.from_array(np.zeros((2, 28, 28), np.uint8), name=name).source.data_set == name


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes")
def test_a_folder_holds_pictures_only(tmp_path):
    Image.new("L", (30, 30)).save(tmp_path / "a.png")
    assert len(ImageSet.from_folder(tmp_path)) == 1
    (tmp_path / "b.png").symlink_to("nowhere")
    with pytest.raises(DataError, match=r"b\.png cannot be read as a picture"):
        ImageSet.from_folder(tmp_path)
    (tmp_path / "b.png").unlink()
    os.mkfifo(tmp_path / "c.png")
    with pytest.raises(DataError, match=r"c\.png cannot be read as a picture"):
        ImageSet.from_folder(tmp_path)


@pytest.mark.parametrize("folder", ["n" * 300, "~nosuchuser/x"])
@pytest.mark.parametrize("variable", ["QDVAE_DATA", "QDVAE_MODELS", "QDVAE_RECORDINGS"])
def test_a_variable_that_names_no_folder_is_named(variable, folder, monkeypatch):
    monkeypatch.setenv(variable, folder)
    looks = {"QDVAE_DATA": data_dir, "QDVAE_MODELS": models_dir}
    with pytest.raises(SettingError, match=f"{variable}='.*cannot be used"):
        looks.get(variable, recording_folders)()


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
)
def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir(mode=0)
    monkeypatch.setenv("QDVAE_DATA", str(tmp_path / "closed"))
    with pytest.raises(SettingError, match=r"QDVAE_DATA=.*Permission denied"):
        data_dir()
    with pytest.raises(DataError, match="You may not read the folder"):
        ImageSet.from_folder(tmp_path / "closed")
