"""Checks of lesson 00: bits and spins, digits of one's own, flips, couplers."""

from torch import Tensor, tensor

from qdvae_helpers.checks.verdict import Rows, by_examples, exercise


@by_examples((0,), (1,))
def spin_of_bit(bit: float) -> Rows:
    """``function(bit)``: the spin -1 or +1 of a bit 0 or 1."""
    yield 2 * bit - 1, "0 must become -1 and 1 must become 1; yours makes {given:g} of {bit}."
    yield 1 - 2 * bit, "the wrong way round: the bit 0 belongs to the spin -1, the bit 1 to +1."
    yield bit, "this is still the bit: a spin is -1 or +1, never 0."


@exercise
def eight_digits(images: Tensor) -> str | None:
    """Eight generated images ``(8, 1, 28, 28)`` in [0, 1]."""
    if not isinstance(images, Tensor):
        return f"a tensor of images is asked for, this is a {type(images).__name__}."
    if images.dim() == 2:
        return "this looks like spins: decode them, or use model.generate, which does both steps."
    if images.shape[1:] != (1, 28, 28):
        return f"images have shape (8, 1, 28, 28), yours is {tuple(images.shape)}."
    if len(images) != 8:
        return f"eight digits are asked for, these are {len(images)}."
    if not ((images >= 0) & (images <= 1)).all():  # NaN is no brightness either
        return "brightness lies between 0 and 1: use model.generate or model.decode."
    if len({image.numpy(force=True).tobytes() for image in images}) < 8:
        return "some of them are equal: draw all eight at once, model.generate(8, ...)."
    return None


@by_examples(
    (tensor([1.0, -1.0, -1.0, 1.0, 1.0]), tensor([0, 1, 4])),
    (tensor([-1.0, 1.0, 1.0, -1.0, 1.0]), tensor([3])),
    form="return all five spins, those that stay as they are, too.",
)
def flip(spins: Tensor, which: Tensor) -> Rows:
    """``function(spins, which)``: a copy of ``spins`` with opposite signs at places ``which``."""
    flipped = spins.index_copy(0, which, -spins[which])
    lowered = spins.index_fill(0, which, -1.0)
    yield flipped, "flipping places {which} of {spins} must not give {given}."
    yield spins, "nothing has changed: assign the new values to a copy and return the copy."
    yield -spins, "all spins have changed: change the sign at the places `which` alone."
    yield -flipped, "you flipped all the others: the places `which` are those to flip."
    yield lowered, "you set them to -1, but a spin that is -1 already must become +1."


@by_examples(
    ((30, 7, 41, 12), ((7, 12), (7, 30))),
    ((5, 41, 9), ((9, 5),)),
    form="return a list, one number per qubit, in the order of `nodes`.",
)
def couplers_of_each(nodes: tuple, edges: tuple) -> Rows:
    """``function(nodes, edges)``: number of couplers of each qubit, in the order of ``nodes``."""
    first, second = ([ends.count(node) for node in nodes] for ends in zip(*edges, strict=True))
    right = [a + b for a, b in zip(first, second, strict=True)]
    every = [len(edges)] * len(nodes)
    yield right, "nodes {nodes} and edges {edges} must give {right}, yours gives {given}."
    for wrong in (first, second):
        yield wrong, "you count one end of each coupler only: (7, 30) belongs to 7 and to 30."
    without = [count for count in right if count]
    yield without, "qubit 41 is missing: it has no coupler, so its number is 0."
    yield every, "this is the number of all couplers: count those that the qubit is an end of."
    why = "these are the right numbers in another order: keep the order of `nodes`."
    yield lambda given: sorted(given.tolist()) == sorted(right), why
