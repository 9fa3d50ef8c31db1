"""Mutants that are right in effect: (check, what was broken) -> why it is right."""

SAME: dict[tuple[str, str], str] = {}

# Lesson 00
SAME |= {}  # 00

# Lesson 01
SAME |= {
    (
        "training_loop",
        "model for optimizer: model.zero_grad()",
    ): "empties the same gradients, those of all weights of the model",
    (
        "training_loop",
        "optimizer.zero_grad() later: loss = loss_of(model, batch)",
    ): "before `backward` is early enough",
    (
        "training_loop",
        "optimizer.step() later: losses.append(loss.item())",
    ): "the loss is a number already",
    (
        "own_draws",
        "left dropped: return chosen + torch.randn_like(chosen)",
    ): "noise of another size",
    (
        "own_draws",
        "other operator: return chosen - 0.1 * codes.std(0) * torch.randn_like(chosen)",
    ): "noise has no sign",
    (
        "own_draws",
        "constant negated: return chosen + -0.1 * codes.std(0) * torch.randn_like(chosen)",
    ): "noise has no sign",
    (
        "own_draws",
        "one less: chosen = codes[torch.randint(len(codes) - 1, (n,))]",
    ): "one code in 200 is not missed",
    (
        "own_draws",
        "absolute value: chosen = codes[torch.randint(len(abs(codes)), (n,))]",
    ): "only a length",
    ("own_draws", "negated: chosen = codes[torch.randint(len(-codes), (n,))]"): "only a length",
    (
        "own_draws",
        "absolute value: chosen = codes[torch.randint(len(codes), (abs(n),))]",
    ): "n is positive",
    (
        "own_draws",
        "detached: return chosen + 0.1 * codes.std(0).detach() * torch.randn_like(chosen)",
    ): "no gradient is asked for",
    (
        "own_draws",
        "right dropped: return chosen + 0.1 * torch.randn_like(chosen)",
    ): "noise of another size",
    (
        "own_draws",
        "absolute value: return chosen + 0.1 * abs(codes).std(0) * torch.randn_like(chosen)",
    ): "noise of another size",
    (
        "own_draws",
        "negated: return chosen + 0.1 * (-codes).std(0) * torch.randn_like(chosen)",
    ): "a spread has no sign",
}  # 01

# Lesson 02
SAME |= {}  # 02

# Lesson 03
_SQUARE = "a mean of all pairs is w K w, which is never negative for a kernel"
SAME |= {
    ("biased_mmd", "absolute value"): _SQUARE,
    ("biased_mmd", "clamped at zero"): _SQUARE,
    ("blind_spot", "other operator: return (1 - states.prod(1)) / len(states)"): "odd parity",
    ("blind_spot", "negated: return (1 + (-states).prod(1)) / len(states)"): "n is even",
    ("blind_spot", "absolute value: return (1 + states.prod(1)) / len(abs(states))"): "one length",
    ("blind_spot", "negated: return (1 + states.prod(1)) / len(-states)"): "one length",
    ("blind_spot", "axis -1: return (1 + states.prod(-1)) / len(states)"): "two axes",
    (
        "blind_spot",
        "detached: return (1 + states.prod(1).detach()) / len(states)",
    ): "no gradient is asked for",
    ("blind_spot", "absolute value"): "probabilities",
    ("blind_spot", "clamped at zero"): "probabilities",
}

# Lesson 04
SAME |= {  # 04
    (
        "grown_part",
        "one less: part.append(max(candidates, key=lambda q: len(neighbours[q] & set(part)) - 1))",
    ): "one less for every candidate: the largest stays the largest",
}
SAME |= dict.fromkeys(  # 04
    [
        ("fitted_machine", "constant + 1: for _ in range(1001):"),
        ("fitted_machine", "constant doubled: for _ in range(2000):"),
        ("fitted_machine", "left dropped: parameters -= data.mean(0) - p @ states"),
        ("fitted_machine", "constant + 1: parameters -= 1.3 * (data.mean(0) - p @ states)"),
        ("fitted_machine", "constant doubled: parameters -= 0.6 * (data.mean(0) - p @ states)"),
    ],
    "more steps, or another rate at which the descent converges to the same optimum",
)

SAME |= {  # 04
    (
        "inverse_temperature",
        "result 1 / ({}): return 1 / (a * torch.sigmoid(-beta * a)).mean().item()",
    ): "one over the slope changes its sign at the same place",
}

# Lesson 05
_NEVER_NEGATIVE = "a divergence is never negative, nor is a mutual information"
SAME |= {
    ("two_parts_of_the_kl", "absolute value"): _NEVER_NEGATIVE,
    ("two_parts_of_the_kl", "clamped at zero"): _NEVER_NEGATIVE,
}
SAME |= {
    ("training_step", why): because
    for why, because in {
        "absolute value: logits, _, pixel_logits = model(abs(batch), 1, chance)": "ink is positive",
        "absolute value: distortion = reconstruction_loss(pixel_logits, abs(batch))": "the same",
        "detached: rate = kl_loss(logits, model.grbm, chains.sample().detach())": "plain numbers",
        "absolute value: loss = distortion + abs(w) * rate": "weights are not negative",
    }.items()
}

# Lesson 06
SAME |= {}  # 06

# Lesson 07
SAME |= {
    ("asked_for", why): because
    for why, because in {
        "detached: chains.classes = "
        "weights.multinomial(chains.num_samples, replacement=True).detach()": "no gradient",
        "detached: return model.decode(chains.restart(sweeps)).detach()": "no gradient",
        "detached: return model.decode(chains.restart(sweeps).detach())": "no gradient",
        "absolute value: return model.decode(chains.restart(abs(sweeps)))": "a count",
        "absolute value": "ink is never negative",
        "clamped at zero": "ink is never negative",
    }.items()
}

# Lesson 08
SAME |= {
    (
        "fools_frechet",
        "detached: return 2 * points.mean(0).detach() - points",
    ): "no gradient is asked for",
}  # 08

# Lesson 09
SAME |= {
    (
        "repaired_annealing",
        "size 1: log_weights = torch.full((1,), spins.shape[1] * math.log(2))",
    ): "the first energies stretch it to all strings",
}  # 09

# Lesson 10
_STRINGS = "return {} torch.cat([bits, bits.prod(1, keepdim=True)], 1)"
SAME |= {  # 10
    ("fooling_strings", why): because
    for why, because in {
        "result 1 / ({}): " + _STRINGS.format("1 /"): "spins are their own inverses",
        "axis -1: return torch.cat([bits, bits.prod(1, keepdim=True)], -1)": "the last axis is 1",
        "axis -1: return torch.cat([bits, bits.prod(-1, keepdim=True)], 1)": "the last axis is 1",
        "detached: return torch.cat([bits, bits.prod(1, keepdim=True).detach()], 1)": "no gradient",
        "negated: return torch.cat([bits, (-bits).prod(1, keepdim=True)], 1)": (
            "the product of flipped spins is the same one or its opposite: determined as well"
        ),
        "rounded": "spins are whole numbers",
    }.items()
}

_MAKE = "generator, shuffled = (torch.Generator().manual_seed({}), {}.clone())"
_ORDER = "order = torch.rand({}.shape, generator=generator).argsort(0)"
SAME |= {
    ("shuffles_in_classes", why): because
    for why, because in {
        "result 1 / ({}): return 1 / shuffled": "spins are their own inverses",
        "unique left out: for y in classes:": "a class is shuffled again, from the same strings",
        "detached: for y in classes.unique().detach():": "no gradient",
        "detached: " + _ORDER.format("strings[own]") + ".detach()": "no gradient",
        "detached: shuffled[own] = strings[own].gather(0, order).detach()": "no gradient",
        "absolute value: " + _MAKE.format("abs(seed)", "strings"): "seeds are not negative",
        "negated: " + _MAKE.format("-seed", "strings"): "another seed, and as good",
        "absolute value: for y in abs(classes).unique():": "classes are not negative",
        "absolute value: own = abs(classes) == y": "classes are not negative",
        "absolute value: " + _MAKE.format("seed", "abs(strings)"): "every entry is overwritten",
        "negated: " + _MAKE.format("seed", "(-strings)"): "every entry is overwritten",
        "absolute value: " + _ORDER.format("abs(strings)[own]"): "only the shape counts",
        "negated: " + _ORDER.format("(-strings)[own]"): "only the shape counts",
        "rounded": "spins are whole numbers",
    }.items()
}

# Lesson 11
SAME |= {
    ("readout", "absolute value"): "a probability is not negative",
    ("readout", "clamped at zero"): "a probability is not negative",
}

# Lesson 12
SAME |= {
    ("safe_name", "absolute value"): "true stays true",
    ("safe_name", "clamped at zero"): "true stays true",
    ("safe_name", "rounded"): "true stays true",
    (
        "safe_name",
        "result -({}): return -(re.fullmatch('[A-Za-z0-9][A-Za-z0-9_-]{0,63}', name) is not None)",
    ): "any true value says yes",
    (
        "safe_name",
        "result 2 * ({}): "
        "return 2 * (re.fullmatch('[A-Za-z0-9][A-Za-z0-9_-]{0,63}', name) is not None)",
    ): "any true value says yes",
    (
        "safe_name",
        "result ({}) / 2: "
        "return (re.fullmatch('[A-Za-z0-9][A-Za-z0-9_-]{0,63}', name) is not None) / 2",
    ): "any true value says yes",
    ("time_left", "absolute value"): "time left is never negative",
    ("time_left", "clamped at zero"): "time left is never negative",
    ("may_exchange", "clamped at zero"): "a truth value stays one",
    ("journey", "detached: logits = model.encode(images).detach()"): "no gradient is asked for",
    ("journey", "detached: spins = model.spins(logits).detach()"): "no gradient is asked for",
    (
        "journey",
        "detached: return (torch.tanh(logits / 2), spins, model.decode(spins).detach())",
    ): "no gradient is asked for",
    ("journey", "absolute value: logits = model.encode(abs(images))"): "ink is never negative",
    (
        "what_counts",
        "sides exchanged: return [name for name in one if name in seeds and "
        "abs(other[name] - one[name]) > 2 * statistics.stdev(seeds[name])]",
    ): "the absolute value is the same",
}  # 12

# Lesson 13
SAME |= {}  # 13

# Lesson 14
SAME |= {
    ("comes_back", "wires forgotten: return qml.probs()"): "both wires all the same",
    ("comes_back", "constant negated: qml.CRX(-p[-1], wires=[0, 1])"): "the last of two",
    ("comes_back", "the first answer for everything"): "it is 00 for all angles",
    ("comes_back", "absolute value"): "probabilities",
    ("comes_back", "clamped at zero"): "probabilities",
    ("comes_back", "rounded"): "it is 00 for all angles",
}  # 14

# Lesson 15
SAME |= {
    ("beyond_products", "wires forgotten: return qml.probs()"): "both wires all the same",
    ("beyond_products", "Hadamard left out: wire"): "other angles, still no products",
    ("beyond_products", "qml.Hadamard(wire) left out: pass"): "other angles, still no products",
    (
        "beyond_products",
        "qml.RY(angles[wire], wires=wire) later: qml.Hadamard(wire)",
    ): "other angles, still no products",
    ("beyond_products", "constant + 1: qml.RY(1.5, wires=0)"): "any angle will do",
    ("beyond_products", "constant negated: qml.RY(-0.5, wires=0)"): "any angle will do",
    ("beyond_products", "constant doubled: qml.RY(1.0, wires=0)"): "any angle will do",
    ("beyond_products", "constant + 1: qml.RY(0.5, wires=1)"): "either qubit will do",
    (
        "beyond_products",
        "absolute value: qml.RY(abs(angles)[wire], wires=wire)",
    ): "no products either",
    ("beyond_products", "negated: qml.RY((-angles)[wire], wires=wire)"): "no products either",
    ("beyond_products", "absolute value"): "probabilities",
    ("beyond_products", "clamped at zero"): "probabilities",
}  # 15
