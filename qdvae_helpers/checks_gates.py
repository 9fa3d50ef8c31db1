"""Checks of the exercises of the gate-model track (lessons 09 to 11), like those in ``checks``."""

import math
from collections.abc import Callable

import torch

from qdvae_helpers.checks import exercise, is_close

# 09_gate_model_classifier --------------------------------------------------------------------


@exercise
def ceiling(function: Callable) -> str | None:
    """``function(patterns, labels)``: accuracy of the best classifier that sees patterns alone."""
    patterns = [*"aaabbbcdd"]
    labels = [False, True, True, False, False, True, True, True, False]
    value = float(function(patterns, labels))
    if is_close(value, 6 / 9):
        return None
    if is_close(value, 6):
        return "this is the number of images it gets right: divide by the number of images."
    if is_close(value, 1 / 9):
        return "a contradictory pattern is not lost: answer with the label most of its images have."
    if is_close(value, 4 / 9) or is_close(value, 5 / 9):
        return (
            "take the more frequent label of each pattern: not its first, not its last, "
            "not one label for all."
        )
    if is_close(value, 1):
        return "two images with one pattern must get the same answer, so not all can be right."
    if is_close(value, (2 / 3 + 2 / 3 + 1 + 1 / 2) / 4):
        return "weigh every pattern by its number of images, not all patterns equally."
    return f"of the 9 images in the test 6 can be right, 0.667; yours gives {value:.3f}."


@exercise
def closed_form(function: Callable) -> str | None:
    """``function(z, t, s)``: expectation of the readout, from spins and both sets of exponents."""
    z = torch.tensor([1.0, -1.0, -1.0])
    t, s = torch.tensor([0.3, 0.8, 0.15]), torch.tensor([0.6, 0.25, 0.9])
    value = function(z, t, s)
    if isinstance(value, complex) or (torch.is_tensor(value) and value.is_complex()):
        return "the product is complex: take its real part."
    if torch.is_tensor(value) and value.numel() > 1:
        return "one number is asked for: multiply all the factors."
    real, turned = torch.cos(math.pi * s), torch.cos(math.pi * t) * torch.sin(math.pi * s)
    product = torch.complex(real, z * turned).prod()
    if is_close(value, -product.real):
        return None
    likely = {
        float(product.real): "the sign is reversed: the readout starts in |->, so f has a minus.",
        float(-product.imag): "this is the imaginary part.",
        float(-torch.complex(real, turned).prod().real): "the pixels z do not occur in it.",
        float(-torch.complex(real, z * torch.sin(math.pi * s)).prod().real): (
            "the factor cos(pi t) is missing: the XX layer flips pixels at random."
        ),
        float(
            -torch.complex(real, z * turned).sum().real
        ): "multiply the factors, do not add them.",
    }
    for wrong, why in likely.items():
        if is_close(value, wrong):
            return why
    without_pi = torch.complex(torch.cos(s), z * torch.cos(t) * torch.sin(s)).prod()
    if is_close(value, -without_pi.real):
        return "exponents are in units of pi: multiply them by math.pi."
    return f"for the three pixels of the test it is {-product.real:.4f}, yours {float(value):.4f}."


@exercise
def hinge(function: Callable) -> str | None:
    """``function(y, f)``: mean of max(0, 1 - y f)."""
    y, f = torch.tensor([1.0, 1.0, -1.0, -1.0]), torch.tensor([0.5, 2.0, 0.25, -0.5])
    value = function(y, f)
    if torch.is_tensor(value) and value.numel() > 1:
        return "one number is asked for: take the mean over the images."
    losses = 1 - y * f
    if is_close(value, losses.clamp(min=0).mean()):
        return None
    if is_close(value, losses.clamp(min=0).sum()):
        return "this is the sum: take the mean."
    if is_close(value, losses.mean()):
        return "an answer that is more than right costs nothing: cut off at zero before the mean."
    if is_close(value, (1 + y * f).clamp(min=0).mean()):
        return "wrong sign: y f is positive where the answer is right, and then the loss is small."
    if is_close(value, (1 - f).clamp(min=0).mean()):
        return "the labels y do not occur in it."
    return f"it must give {losses.clamp(min=0).mean():.4f}, yours gives {float(value):.4f}."


@exercise
def zz_for(function: Callable) -> str | None:
    """``function(angles)``: ZZ exponents with these angles where all XX exponents are zero."""
    angles = torch.tensor([0.5, -1.0, 2.0])
    value = torch.as_tensor(function(angles))
    if value.shape != angles.shape:
        return f"one exponent a pixel, shape (3,); yours has {tuple(value.shape)}."
    # Exponents count modulo 2, since exp(i pi s z) does not change by 2.
    if torch.allclose(torch.exp(1j * math.pi * value), torch.exp(1j * angles), atol=1e-4):
        return None
    if torch.allclose(value, angles * math.pi):
        return "the wrong way round: an exponent s turns by pi s, so divide."
    if torch.allclose(value, angles):
        return "these are the angles: an exponent is in units of pi."
    if torch.allclose(value, 2 * angles / math.pi) or torch.allclose(value, angles / 2 / math.pi):
        return "wrong by a factor of two: the phase between the two amplitudes is pi s z."
    if torch.allclose(value, -angles / math.pi):
        return "wrong sign (the decisions would be the same, as a cosine is even)."
    return "with t = 0 the factor of a pixel is exp(i pi s z): make it exp(i phi z)."


# 10_quantum_convolution ----------------------------------------------------------------------


@exercise
def amplitudes(function: Callable) -> str | None:
    """``function(pixels)``: the same vector with length one."""
    pixels = torch.tensor([0.0, 0.3, 0.4, 1.2])
    value = torch.as_tensor(function(pixels))
    if value.shape != pixels.shape:
        return f"one amplitude a pixel, shape (4,); yours has {tuple(value.shape)}."
    if torch.allclose(value, pixels / 1.3, atol=1e-5):
        return None
    if torch.allclose(value, pixels / pixels.sum(), atol=1e-5):
        return "these add up to 1, but their *squares* have to: divide by the length."
    if torch.allclose(value, pixels / pixels.max(), atol=1e-5):
        return "you divided by the largest pixel: divide by the length of the vector."
    if torch.allclose(value, pixels / 1.69, atol=1e-5):
        return "you divided by the sum of squares: take its root."
    if torch.allclose(value, (pixels / 1.3).square(), atol=1e-5):
        return "these are the probabilities: amplitudes are what one squares to get them."
    return f"the squares must add up to 1; yours add up to {float(value.square().sum()):.3f}."


@exercise
def count_read(function: Callable) -> str | None:
    """``function(blocks, angles)``: number of different parameters that the blocks read."""
    blocks = [("a", (0, 1), 0), ("a", (1, 2), 3), ("b", (0, 2), 5), ("b", (0, 1), 9)]
    value = function(blocks, {"a": 3, "b": 2})
    if isinstance(value, set | list | tuple):
        return "these are the parameters themselves: return how many they are."
    if value == 9:
        return None
    if value == 10:
        return "a parameter that two blocks read counts once: use a set."
    if value == 11:
        return "this is the length of the list: parameters between the blocks are not read."
    if value == 4:
        return "this counts blocks: each reads as many parameters as its kind has angles."
    return f"the four blocks of the test read 9 different parameters, you count {value}."


@exercise
def apply_gate(function: Callable) -> str | None:
    """``function(state, gate)``: a 4x4 matrix on the first two of three wires."""
    generator = torch.Generator().manual_seed(0)
    state = torch.randn(2, 2, 2, dtype=torch.complex128, generator=generator)
    gate = torch.randn(4, 4, dtype=torch.complex128, generator=generator)
    value = function(state.clone(), gate)
    if not torch.is_tensor(value) or value.shape != (2, 2, 2):
        shape = tuple(getattr(value, "shape", ()))
        return f"the result has the shape (2, 2, 2) again, yours {shape}: reshape it back."
    matrix = state.reshape(4, 2)
    if torch.allclose(value, (gate @ matrix).reshape(2, 2, 2)):
        return None
    if torch.allclose(value, (gate.T @ matrix).reshape(2, 2, 2)):
        return "you multiplied by the transposed matrix: the gate stands on the left."
    if torch.allclose(value, (state.reshape(2, 4) @ gate.T).reshape(2, 2, 2)):
        return "your gate acts on the last two wires: the first two belong to the rows, (4, 2)."
    if torch.allclose(value, (state.reshape(2, 4) @ gate).reshape(2, 2, 2)):
        return "your gate acts on the last two wires, and from the wrong side."
    return "amplitudes that differ in the first two wires alone form the groups of four."


@exercise
def post_loss(function: Callable) -> str | None:
    """``function(z, label)``: cross-entropy of a softmax of four expectations."""
    z, label = torch.tensor([0.5, -0.2, 0.9, 0.1]), 2
    value = float(function(z, label))
    q = z.softmax(0)
    if is_close(value, -q.log_softmax(0)[label]):
        return None
    if is_close(value, -q[label].log()):
        return "only one softmax: cross_entropy applies its own, on top of the post's."
    if is_close(value, -q.softmax(0).log_softmax(0)[label]):
        return "that is one softmax too many: cross_entropy applies the second one itself."
    if is_close(value, q.log_softmax(0)[label]):
        return "wrong sign: a cross-entropy is never negative."
    return f"for the test it is {-q.log_softmax(0)[label]:.4f}, yours is {value:.4f}."


# 11_quantum_transfer_learning ----------------------------------------------------------------


@exercise
def probability_of_one(function: Callable) -> str | None:
    """``function(theta)``: probability of 1 after a rotation about Y by theta."""
    for theta in (0.5, 2.0, math.pi):
        value = float(function(theta))
        right = math.sin(theta / 2) ** 2
        if is_close(value, right):
            continue
        if is_close(value, math.sin(theta / 2)):
            return "this is the amplitude: a probability is its square."
        if is_close(value, math.cos(theta / 2) ** 2):
            return "this is the probability of 0."
        if is_close(value, math.sin(theta) ** 2):
            return "the amplitude has half of the angle: sin(theta / 2)."
        return f"for theta = {theta:.3g} it is {right:.4f}, yours is {value:.4f}."
    return None


@exercise
def joint(function: Callable) -> str | None:
    """``function(p_one)``: probabilities of all outcomes of independent qubits."""
    p = torch.tensor([0.1, 0.7, 0.4], dtype=torch.float64)
    bits = torch.cartesian_prod(*3 * [torch.tensor([0, 1])])
    right = torch.where(bits == 1, p, 1 - p).prod(1)
    value = torch.as_tensor(function(p)).double().flatten()
    if value.shape != right.shape:
        return f"three qubits have 8 outcomes, you return {value.numel()} numbers."
    if torch.allclose(value, right):
        return None
    if torch.allclose(value, right.reshape(2, 2, 2).permute(2, 1, 0).flatten()):
        return "qubit 0 is the fastest in your order: it must be the slowest (00, 01, 10, 11)."
    if torch.allclose(value, right.flip(0)):
        return "0 and 1 are exchanged: the first outcome is all zeros, with factors 1 - p."
    if not is_close(value.sum(), 1):
        return f"probabilities add up to 1, yours to {float(value.sum()):.3f}."
    return f"the outcome 000 has {float(right[0]):.3f}, 001 has {float(right[1]):.3f}; compare."


@exercise
def shot_error(function: Callable) -> str | None:
    """``function(p, shots)``: standard deviation of a frequency."""
    p, shots = 0.2, 400
    value = float(function(p, shots))
    if is_close(value, 0.02):
        return None
    if is_close(value, 0.0004):
        return "this is the variance: take its root."
    if is_close(value, 0.4):
        return "this is the error of a single shot: divide its variance by the number of shots."
    if is_close(value, 0.001):
        return "divide the variance by the number of shots before the root, not after it."
    if is_close(value, 8.0):
        return "this is the error of the count: divide by the number of shots."
    if is_close(value, math.sqrt(p / shots)):
        return "the factor 1 - p is missing: an outcome that always comes has no error."
    return f"for p = 0.2 and 400 shots it is 0.02, yours is {value:.4f}."


@exercise
def through_chain(function: Callable) -> str | None:
    """``function(z)``: expectations after a chain of CNOTs, from those of independent qubits."""
    z = torch.tensor([0.8, -0.5, 0.9, 0.3])
    value = torch.as_tensor(function(z)).float()
    if value.shape != z.shape:
        return f"one expectation a qubit, shape (4,); yours has {tuple(value.shape)}."
    right = z.cumprod(0)
    if torch.allclose(value, right):
        return None
    if torch.allclose(value, z):
        return "these are the expectations before the chain."
    if torch.allclose(value, z.cumsum(0)):
        return "you add: the parity of spins is their product."
    if torch.allclose(value, torch.cat([z[:1], z[1:] * z[:-1]])):
        return "each CNOT acts on what the one before has made: qubit 2 holds bits 0, 1 *and* 2."
    if torch.allclose(value, z.flip(0).cumprod(0).flip(0)):
        return "the wrong way round: qubit 0 is unchanged, the last one has all the factors."
    return f"for {[round(v, 2) for v in z.tolist()]} qubit 1 has {float(right[1]):.2f}; compare."
