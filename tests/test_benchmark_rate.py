"""The benchmark of rate and distortion: exact on small models, and run once with few steps."""

import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from qdvae_helpers.evaluate import enumerate_states
from qdvae_helpers.models import QDVAE
from qdvae_helpers.priors import class_shares, of_class
from qdvae_helpers.profiles import Profile

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def folder_on_path(monkeypatch):
    """Benchmarks find each other as when they are started by name."""
    monkeypatch.syspath_prepend(BENCHMARKS)


@pytest.mark.parametrize("names", [(), ("a", "b", "c")])
@torch.no_grad()
def test_rate_and_distortion_are_those_of_a_sum_over_all_strings(names, graph12, digits):
    import likelihood
    import rate

    torch.manual_seed(0)
    model, images = QDVAE(graph12, (16,), classes=names).eval(), digits.images[:10].round()
    model.grbm.quadratic.normal_(std=0.5)
    if names:
        model.grbm.class_biases.normal_()
        model.grbm.shares.copy_(torch.tensor([0.5, 0.3, 0.2]))
    lists = [enumerate_states(of_class(model.grbm, y)) for y in range(max(1, len(names)))]
    states, log_z = lists[0].states, torch.tensor([one.log_partition_function for one in lists])
    log_p = (class_shares(model.grbm).double() @ torch.stack([p for _, p, _ in lists])).log()
    log_q = F.logsigmoid(model.encode(images).unsqueeze(1) * states).sum(2)
    expected = (log_q.exp() * (log_q - log_p)).sum(1).float()
    pictures = torch.distributions.Bernoulli(logits=model.dvae.decoder(states))
    nats = -torch.stack([pictures.log_prob(one).flatten(1).sum(1) for one in images])
    expected_nats = (log_q.exp() * nats).sum(1)

    code = rate.code_of(model, images, [(log_z - 1).tolist(), (log_z + 1).tolist()], draws=2_000)
    assert code.doubt == pytest.approx(1, rel=1e-3)
    assert code.rate == pytest.approx(float(expected.mean()), abs=0.1)
    assert torch.allclose(code.distortion, expected_nats, rtol=0.01)
    assert torch.allclose(code.least_rate, expected - 1, atol=0.3)
    low, high, error = likelihood.log_z_both_ways(model, 200, 100)
    assert torch.allclose(torch.tensor([low, high]), log_z.expand(2, -1), atol=5 * error)


def test_every_row_of_the_rate_is_trained_and_drawn(monkeypatch, tmp_path, digits):
    import rate
    from common import tables

    monkeypatch.setattr(rate, "PROFILE", Profile("s", None, None, 12, (8,), 4, 100, 100, 1, 9, 8))
    monkeypatch.setattr(rate, "load_images", lambda: digits)
    monkeypatch.setattr(rate, "held_out_sample", lambda n: digits)
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    some = ["--steps", "4", "--images", "40", "--chains", "100", "--levels", "9", "--write"]
    monkeypatch.setattr(sys, "argv", ["rate.py", *some])
    assert rate.main() == 0
    table = (tmp_path / "rate.md").read_text(encoding="utf-8").split("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()]
    assert rows[0] == rate.COLUMNS
    assert [row[0] for row in rows[2:]] == list(rate.ROWS)
    for _, nats, distortion, both, *_ in rows[2:]:
        assert float(nats.split(" ± ")[0]) + float(distortion) == pytest.approx(
            float(both), abs=0.11
        )
    assert len({tuple(row[1:]) for row in rows[2:]}) == len(rate.ROWS)  # no two trained alike
    assert (tmp_path / "rate.png").read_bytes().startswith(b"\x89PNG")
