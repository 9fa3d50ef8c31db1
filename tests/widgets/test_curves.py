"""Training curves and rows of small images, without a browser."""

import json
import math

import numpy as np
import torch

from qdvae_helpers.checkpoints import PRETRAINED_DIR, read_header
from qdvae_helpers.widgets.curves import Curves
from qdvae_helpers.widgets.digits import Digits, digits_image


def names(curves: Curves) -> list[str]:
    return [line["name"] for panel in curves.panels for line in panel["lines"]]


def test_curves_show_what_the_reports_have_and_tell_it_in_words():
    curves = Curves()
    curves.show([])
    assert curves.panels == []
    assert curves.alt == "Training curves: no report yet."
    curves.show(
        [
            {"step": 10, "loss": 200.123456, "loss_mmd": 0.5, "reconstruction": 190.0},
            {"step": 20, "loss_mmd": math.nan, "reconstruction": 150.0, "unheard of": 1.0},
        ]
    )
    assert names(curves) == ["total", "MMD", "training images"]
    assert curves.panels[0]["lines"][0]["values"] == [200.12, None]
    assert curves.panels[1]["lines"][0]["values"] == [0.5, None]
    assert "steps 10 to 20: Loss of the step, total 200.12 to 200.12;" in curves.alt
    json.dumps(curves.get_state(["steps", "panels", "alt"]), allow_nan=False)


def test_histories_from_before_the_parts_of_the_loss_are_drawn():
    history = read_header(PRETRAINED_DIR / "qdvae-256.safetensors")["info"]["history"]
    curves = Curves()
    curves.show([{k: v for k, v in one.items() if not k.startswith("loss")} for one in history])
    assert {"training images", "held-out images", "dead spins", "moment gap"} <= set(names(curves))
    assert "total" not in names(curves)


def test_digits_stand_in_rows_dark_on_white():
    image = np.asarray(digits_image(torch.ones(3, 1, 4, 4), columns=2, enlarged=1))
    assert image.shape == (10, 10)
    assert (image[:4, :4] == 0).all()
    assert (image[6:, 6:] == 255).all()  # the place of a fourth
    place = Digits()
    place.show("<b>", torch.ones(3, 1, 4, 4), alt='"')
    assert "&lt;b&gt;" in place.widget.value
    assert 'alt="&quot;"' in place.widget.value
