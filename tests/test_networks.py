"""Encoder, decoder, and spins that carry gradients."""

import pytest
import torch

from qdvae_helpers.networks import Decoder, Encoder, SpinDiscretiser, mlp


def test_layers_have_the_asked_widths_with_something_curved_between_them():
    net = mlp([4, 3, 2])
    assert [tuple(layer.weight.shape) for layer in (net[0], net[2])] == [(3, 4), (2, 3)]
    assert len(net) == 3
    x = torch.randn(5, 4)
    assert not torch.allclose(net(2 * x) - net(x), net(x) - net(0 * x), atol=1e-3)


def test_the_decoder_mirrors_the_encoder():
    encoder, decoder = Encoder(6, (40, 20)), Decoder(6, (40, 20))
    shapes = [
        [tuple(layer.weight.shape) for layer in net.net if hasattr(layer, "weight")]
        for net in (encoder, decoder)
    ]
    assert shapes[0] == [(40, 784), (20, 40), (6, 20)]
    assert shapes[1] == [shape[::-1] for shape in reversed(shapes[0])]


def test_the_decoder_keeps_every_axis_before_the_spins():
    decoder = Decoder(6, (10,))
    spins = 2.0 * torch.randint(2, (3, 4, 6)) - 1
    pixels = decoder(spins)
    assert pixels.shape == (3, 4, 1, 28, 28)
    torch.testing.assert_close(pixels[2, 1], decoder(spins[2, 1:2])[0])


def test_spins_have_the_mean_that_their_logits_say():
    logits = torch.tensor([[-3.0, -1.0, 0.0, 0.5, 4.0]])
    spins = SpinDiscretiser(tau=0.5, hard=False).eval()(logits, 100_000)
    assert spins.shape == (1, 100_000, 5)
    assert set(spins.unique().tolist()) == {-1.0, 1.0}
    assert (spins.mean(1) - torch.tanh(logits / 2)).abs().max() < 5 / 100_000**0.5


@pytest.mark.parametrize("hard", [False, True])
def test_training_spins_carry_a_gradient(hard):
    logits = torch.zeros(4, 6, requires_grad=True)
    spins = SpinDiscretiser(tau=0.5, hard=hard).train()(logits, 2)
    assert (set(spins.detach().unique().tolist()) == {-1.0, 1.0}) == hard
    spins.sum().backward()
    assert (logits.grad > 0).all()


def test_relaxed_spins_are_nearer_to_true_ones_at_a_low_temperature():
    logits = torch.randn(50, 6)
    sizes = []
    for tau in (2.0, 0.5, 0.05):
        relaxed = SpinDiscretiser(tau, hard=False).train()(logits, 20, torch.Generator())
        true = SpinDiscretiser(tau, hard=False).eval()(logits, 20, torch.Generator())
        assert torch.equal(relaxed.sign(), true)  # the same random numbers
        sizes.append(float(relaxed.abs().mean()))
    assert sizes == sorted(sizes)
    assert sizes[-1] > 0.95
