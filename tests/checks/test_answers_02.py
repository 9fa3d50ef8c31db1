"""Answers to the exercises of lesson 02 as learners write them, right and wrong."""

import math

import pytest
import torch


def spins(up):
    return torch.where(up, 1.0, -1.0)


def loop_of_spins(x, u):
    out = torch.empty_like(x).flatten()
    for k, (logit, number) in enumerate(zip(x.flatten(), u.flatten(), strict=True)):
        out[k] = 1 if number < 1 / (1 + math.exp(-logit)) else -1
    return out.reshape(x.shape)


DRAWS = [
    ("spins_from_uniform", lambda x, u: spins(u < x.sigmoid()), "Correct."),
    ("spins_from_uniform", lambda x, u: 2 * (u < x.sigmoid()).long() - 1, "Correct."),
    ("spins_from_uniform", lambda x, u: (x - torch.logit(u)).sign(), "Correct."),
    ("spins_from_uniform", lambda x, u: (x.double().sigmoid() - u).sign(), "Correct."),
    ("spins_from_uniform", loop_of_spins, "Correct."),
    ("spins_from_uniform", lambda x, u: (u < x.sigmoid()).float(), "these are bits 0 and 1"),
    ("spins_from_uniform", lambda x, u: u < x.sigmoid(), "these are bits 0 and 1"),
    ("spins_from_uniform", lambda x, u: x.sigmoid() - u, "spins are -1 and +1."),
    ("spins_from_uniform", lambda x, u: spins(u > x.sigmoid()).int(), "the wrong way"),
    ("spins_from_uniform", lambda x, u: x.sign(), "the likelier value"),
    ("spins_from_uniform", lambda x, u: (x + torch.logit(u)).sign(), "but mirrored"),
    ("spins_from_uniform", lambda x, u: spins(u < 0.5), "spins are +1, -1, -1"),
    ("spins_from_uniform", lambda x, u: spins(u < x), "with sigmoid(logits)"),
    ("spins_from_uniform", lambda x, u: spins(u < x.softmax(-1)), "softmax shares 1"),
    ("spins_from_uniform", lambda x, u: spins(torch.rand_like(u) < x.sigmoid()), "differently"),
    ("spins_from_uniform", lambda x, u: spins(u < x.flatten()[0].sigmoid()), "spins are +1, -1"),
    ("spins_from_uniform", lambda x, u: x.sigmoid(), "this is P(+1) itself"),
]

GRADIENTS = [
    ("straight_through", lambda hard, soft: soft + (hard - soft).detach(), "Correct."),
    ("straight_through", lambda hard, soft: hard.detach() + soft - soft.detach(), "Correct."),
    ("straight_through", lambda hard, soft: hard, "no gradient flows"),
    ("straight_through", lambda hard, soft: (soft + hard - soft).detach(), "no gradient flows"),
    ("straight_through", lambda hard, soft: soft, "its value is the soft one"),
    ("straight_through", lambda hard, soft: soft.detach(), "its value is the soft one"),
    ("straight_through", lambda hard, soft: soft + (hard - soft), "its gradient is zero"),
    ("straight_through", lambda hard, soft: soft + hard.detach(), "neither of the two"),
    ("straight_through", lambda hard, soft: soft + (soft - hard).detach(), "wrong sign"),
    ("straight_through", lambda hard, soft: hard + 2 * (soft - soft.detach()), "its gradient is"),
]


def error(e, g, b):
    return ((e.mean(0) - g).norm() ** 2 + e.var(0).sum() / b) ** 0.5 / g.norm()


def error_in_a_loop(e, g, b):
    total = 0.0
    for k in range(len(g)):
        total += (e[:, k].mean() - g[k]) ** 2 + e[:, k].var() / b
    return float(total) ** 0.5 / float((g**2).sum() ** 0.5)


def without_root(e, g, b):
    return error(e, g, b) ** 2


def shrinking(e, g, b):
    return error(e, g, 1) / b**0.5


def components_averaged(e, g, b):
    return ((e.mean(0) - g).square().mean() + e.var(0).mean() / b).sqrt() / g.norm()


def linear(e, g, b):
    return ((e.mean(0) - g).norm() + (e.var(0).sum() / b).sqrt()) / g.norm()


BUDGETS = [
    ("error_of_average", error, "Correct."),
    ("error_of_average", error_in_a_loop, "Correct."),
    ("error_of_average", lambda e, g, b: error(e, g, b) * g.norm(), "length of the exact"),
    ("error_of_average", without_root, "take the root"),
    ("error_of_average", shrinking, "do not shrink the bias"),
    ("error_of_average", lambda e, g, b: error(e, g, 1), "10 draws divide the variance by 10"),
    ("error_of_average", components_averaged, "do not average them"),
    ("error_of_average", linear, "add in squares"),
    ("error_of_average", lambda e, g, b: (e.mean(0) - g).norm() / g.norm(), "variance is missing"),
    ("error_of_average", lambda e, g, b: (e.var(0).sum() / b).sqrt() / g.norm(), "the bias is"),
    ("error_of_average", lambda e, g, b: e.var(0), "one number is asked for"),
]


def entropy(x):
    return torch.distributions.Bernoulli(logits=x).entropy()


ENTROPIES = [
    ("spin_entropy", lambda x: -sum(p * p.log() for p in (x.sigmoid(), 1 - x.sigmoid())), "Corr"),
    ("spin_entropy", entropy, "Correct."),
    ("spin_entropy", lambda x: torch.nn.functional.softplus(x) - x * x.sigmoid(), "Correct."),
    ("spin_entropy", lambda x: -x.sigmoid() * x.sigmoid().log(), "the term of -1 is missing"),
    ("spin_entropy", lambda x: entropy(x).sum(), "a tensor of shape (3,) is asked for"),
    ("spin_entropy", lambda x: -entropy(x), "wrong sign"),
    ("spin_entropy", lambda x: entropy(x) / math.log(2), "those are bits"),
    ("spin_entropy", lambda x: -x.sigmoid().log() - (-x).sigmoid().log(), "its own probability"),
]


def mean_spin(x):
    return torch.tanh(x / 2)


def dead(x):
    return int((mean_spin(x).std(0) < 0.1).sum())


def dead_in_a_loop(x):
    return sum(1 for column in x.T if mean_spin(column).std() < 0.1)


def stuck(x):
    return (mean_spin(x).mean(0).abs() > 0.9).sum()


def dead_and_stuck(x):
    return ((mean_spin(x).std(0) < 0.1) & (mean_spin(x).mean(0).abs() > 0.9)).sum()


DEAD = [
    ("dead_count", dead, "Correct."),
    ("dead_count", dead_in_a_loop, "Correct."),
    ("dead_count", lambda x: ((2 * x.sigmoid() - 1).std(0) < 0.1).sum(), "Correct."),
    ("dead_count", lambda x: x.shape[1] - dead(x), "these are the living"),
    ("dead_count", lambda x: (mean_spin(x).std(1) < 0.1).sum(), "axis 0"),
    ("dead_count", lambda x: (x.std(0) < 0.1).sum(), "take the mean spin first"),
    ("dead_count", dead_and_stuck, "an idle coin"),
    ("dead_count", stuck, "*varies* little"),
    ("dead_count", lambda x: (mean_spin(x).std(0) < 0.1).float().mean(), "the share of dead"),
    ("dead_count", lambda x: (mean_spin(x).var(0) < 0.1).sum(), "that is the variance"),
    ("dead_count", lambda x: mean_spin(x).std(0) < 0.1, "sum over the spins"),
    ("dead_count", lambda x: (x.sigmoid().std(0) < 0.1).sum(), "this is P(+1)"),
    ("dead_count", lambda x: (x.tanh().std(0) < 0.1).sum(), "half the logit"),
    ("dead_count", lambda x: (mean_spin(x).std() < 0.1).sum(), "expect"),
]


def each(logits, strings):
    return torch.sigmoid(strings * logits[:, None])


def aggregate_in_a_loop(logits, strings):
    found = []
    for string in strings:
        chances = [math.prod(torch.sigmoid(string * row).tolist()) for row in logits]
        found.append(sum(chances) / len(chances))
    return torch.tensor(found)


def by_logarithms(logits, strings):
    return torch.nn.functional.logsigmoid(strings * logits[:, None]).sum(-1).exp().mean(0)


AGGREGATES = [
    ("aggregate_posterior", lambda x, s: each(x, s).prod(-1).mean(0), "Correct."),
    ("aggregate_posterior", lambda x, s: each(x, s).prod(2).sum(0) / len(x), "Correct."),
    ("aggregate_posterior", aggregate_in_a_loop, "Correct."),
    ("aggregate_posterior", by_logarithms, "Correct."),
    ("aggregate_posterior", lambda x, s: by_logarithms(x.double(), s.double()), "Correct."),
    ("aggregate_posterior", lambda x, s: each(x, s).prod(-1), "average over the images"),
    ("aggregate_posterior", lambda x, s: each(x, s).prod(-1).sum(0), "it must be a mean"),
    ("aggregate_posterior", lambda x, s: each(x, s).mean(0).prod(-1), "independent coins"),
    ("aggregate_posterior", lambda x, s: (s * x.mean(0)).sigmoid().prod(-1), "the *prob"),
    ("aggregate_posterior", lambda x, s: each(x, s).sum(-1).mean(0), "a product over its spins"),
    ("aggregate_posterior", lambda x, s: each(x, s).prod(-1).mean(1), "averaged over the strings"),
    ("aggregate_posterior", lambda x, s: each(-x, s).prod(-1).mean(0), "mirrored"),
    ("aggregate_posterior", lambda x, s: each(x, s).prod(-1).mean(), "is asked for"),
    ("aggregate_posterior", lambda x, s: (s * x[:, None]).prod(-1).mean(0), "no probabilities"),
]


@pytest.mark.parametrize(
    ("check", "answer", "said"), DRAWS + GRADIENTS + BUDGETS + ENTROPIES + DEAD + AGGREGATES
)
def test_answers(check, answer, said, verdict):
    assert said in verdict(check, answer)
