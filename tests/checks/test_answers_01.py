"""Answers to the exercises of lesson 01 that are new in the second edition."""

import copy

import pytest
import torch
import torch.nn.functional as F


def loop(guess, images):
    total = 0.0
    for g, x in zip(guess.flatten(1), images.flatten(1), strict=True):
        total += sum(-a * b.log() - (1 - a) * (1 - b).log() for a, b in zip(x, g, strict=True))
    return total / len(images)


def noisy(codes, n, size=0.1):
    chosen = codes[torch.randint(len(codes), (n,))]
    return chosen + size * codes.std(0) * torch.randn_like(chosen)


def mixture(codes, n):
    means = torch.stack([codes[codes[:, 0] > 0].mean(0), codes[codes[:, 0] < 0].mean(0)])
    which = (torch.rand(n) > (codes[:, 0] > 0).float().mean()).long()
    return means[which] + torch.randn(n, codes.shape[1])


def gaussian(codes, n):
    return torch.distributions.MultivariateNormal(codes.mean(0), codes.T.cov()).sample((n,))


def box(codes, n):
    low, high = codes.min(0).values, codes.max(0).values
    return low + (high - low) * torch.rand(n, codes.shape[1])


def seeded(codes, n):
    torch.manual_seed(0)
    return noisy(codes, n)


def in_place(codes, n):
    codes += 0.1 * torch.randn_like(codes)
    return codes[torch.randint(len(codes), (n,))]


def training(order="zero loss backward step note", *, count=None):
    """A loop whose step does these things in this order."""

    def train(model, optimizer, loss_of, batches):
        losses, loss = [], None
        for k, batch in enumerate(batches):
            if k == count:
                break
            for what in order.split():
                if what == "zero":
                    optimizer.zero_grad()
                elif what == "loss":
                    loss = loss_of(model, batch)
                elif what == "backward":
                    loss.backward()
                elif what == "step":
                    optimizer.step()
                else:
                    losses.append(loss.item())
        return losses

    return train


def with_closure(model, optimizer, loss_of, batches):
    losses = []

    def closure(batch):
        optimizer.zero_grad()
        loss = loss_of(model, batch)
        loss.backward()
        return loss

    for batch in batches:
        losses.append(optimizer.step(lambda b=batch: closure(b)).item())
    return losses


def by_hand(model, optimizer, loss_of, batches):
    losses = []
    for batch in batches:
        loss = loss_of(model, batch)
        parts = list(model.parameters())
        for part, slope in zip(parts, torch.autograd.grad(loss, parts), strict=True):
            part.grad = slope
        optimizer.step()
        losses.append(loss.detach())
    return tuple(losses)


def stepping(
    change=lambda loss: loss, take=lambda batch, first: batch, stored=torch.Tensor.item, mode=None
):
    """A right loop but for one thing."""

    def train(model, optimizer, loss_of, batches):
        losses, first = [], None
        for batch in batches:
            first = batch if first is None else first
            if mode is not None:
                model.train(mode)
            loss = loss_of(model, take(batch, first))
            optimizer.zero_grad()
            change(loss).backward()
            optimizer.step()
            losses.append(stored(loss))
        return losses

    return train


def zero_once(model, optimizer, loss_of, batches):
    optimizer.zero_grad()
    return training("loss backward step note")(model, optimizer, loss_of, batches)


def loss_once(model, optimizer, loss_of, batches):
    batches, losses = list(batches), []
    loss = loss_of(model, batches[0])
    for _ in batches:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def summed_loss(model, optimizer, loss_of, batches):
    total, losses = 0, []
    for batch in batches:
        optimizer.zero_grad()
        total = total + loss_of(model, batch)
        total.backward()
        optimizer.step()
        losses.append(total.item())
    return losses


def without_grad(model, optimizer, loss_of, batches):
    with torch.no_grad():
        return training()(model, optimizer, loss_of, batches)


def one_step_for_all(model, optimizer, loss_of, batches):
    losses = training("loss backward note")(model, optimizer, loss_of, batches)
    optimizer.step()
    return losses


def all_losses_first(model, optimizer, loss_of, batches):
    losses = training("loss backward note")(model, optimizer, loss_of, batches)
    for _ in losses:
        optimizer.step()
    return losses


def own_optimiser(model, optimizer, loss_of, batches):
    return training()(model, torch.optim.SGD(model.parameters(), lr=0.1), loss_of, batches)


def counted(model, optimizer, loss_of, batches):
    losses = []
    for k in range(len(batches)):
        losses += training()(model, optimizer, loss_of, batches[k : k + 1])
    return losses


def early_return(model, optimizer, loss_of, batches):
    for batch in batches:
        return training()(model, optimizer, loss_of, [batch])


def copied(model, optimizer, loss_of, batches):
    return training()(copy.deepcopy(model), optimizer, loss_of, batches)


def loss_after_the_step(model, optimizer, loss_of, batches):
    losses = []
    for batch in batches:
        training()(model, optimizer, loss_of, [batch])
        losses.append(loss_of(model, batch).item())
    return losses


def clipped(model, optimizer, loss_of, batches):
    losses = []
    for batch in batches:
        losses += training("zero loss backward note")(model, optimizer, loss_of, [batch])
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
    return losses


def moved_twice(model, optimizer, loss_of, batches):
    losses = []
    for batch in batches:
        losses += training()(model, optimizer, loss_of, [batch])
        with torch.no_grad():
            for part in model.parameters():
                part -= 0.1 * part.grad
    return losses


def spoilt(model, optimizer, loss_of, batches):
    losses = []
    for batch in batches:
        losses += training()(model, optimizer, loss_of, [batch])
        batch.zero_()
    return losses


def evaluated_at_the_end(model, optimizer, loss_of, batches):
    losses = training()(model, optimizer, loss_of, batches)
    model.eval()
    return losses


def another_loss(model, optimizer, loss_of, batches):
    return training()(model, optimizer, lambda m, x: (m.decoder(x) - x).square().mean(), batches)


def then(change):
    return lambda *args: change(training()(*args))


LOOP = [
    (training(), "Correct."),
    (training("loss zero backward step note"), "Correct."),
    (training("zero loss note backward step"), "Correct."),
    (training("loss backward step zero note"), "Correct."),
    (with_closure, "Correct."),
    (by_hand, "Correct."),
    (stepping(mode=True), "Correct."),
    (then(torch.tensor), "Correct."),
    (training("loss backward step note"), "gradients pile up"),
    (zero_once, "gradients pile up"),
    (training("loss backward zero step note"), "the gradients are empty"),
    (training("zero loss step backward note"), "the gradients are empty"),
    (training("loss step zero backward note"), "between a loss and its `backward`"),
    (training("loss step backward note"), "between a loss and its `backward`"),
    (training("step zero loss backward note"), "each step comes before the loss"),
    (all_losses_first, "finish one step first"),
    (training("zero loss backward note"), "that is handed in never steps"),
    (own_optimiser, "that is handed in never steps"),
    (training("zero loss step note"), "no gradient is ever computed"),
    (training("zero loss backward step step note"), "3 batches are 3 steps, you take 6"),
    (one_step_for_all, "3 batches are 3 steps, you take 1"),
    (training(count=2), "of 3 batches 2 are used"),
    (training(count=3), "of 5 batches 3 are used"),
    (early_return, "only the first batch"),
    (stepping(take=lambda batch, first: first), "the same batch comes every time"),
    (stepping(take=lambda batch, first: batch[:1]), "something that is no batch"),
    (lambda m, o, f, b: training()(m, o, f, list(b)[::-1]), "in their order"),
    (stepping(lambda loss: loss.detach()), "`backward` finds no gradient"),
    (stepping(lambda loss: loss.item()), "`backward` finds no gradient"),
    (without_grad, "`backward` finds no gradient"),
    (stepping(lambda loss: loss / 4), "an average over the batch already"),
    (stepping(lambda loss: -loss), "it goes *down* as it is"),
    (stepping(mode=False), "in evaluation mode"),
    (evaluated_at_the_end, "in evaluation mode"),
    (loss_once, "compute it anew from each batch"),
    (summed_loss, "compute it anew from each batch"),
    (loss_after_the_step, "more than once"),
    (counted, "can only be walked through"),
    (copied, "gets another model"),
    (clipped, "do not touch gradients"),
    (moved_twice, "change without the optimiser"),
    (spoilt, "changes the images"),
    (another_loss, "it stopped before `loss_of` was called"),
    (lambda m, o, f, b: [float(x.sum()) for x in b], "is never called"),
    (lambda m, o, f, b: training()(m, o, lambda _, x: f(x, m), b), "the model, then one batch"),
    (stepping(stored=lambda loss: loss), "keeps its whole graph"),
    (then(sum), "not one number"),
    (then(str), "not a str"),
    (then(lambda losses: losses[-1:]), "1 losses for 3 batches"),
    (then(lambda losses: [2 * loss for loss in losses]), "does not hold the losses"),
    (then(lambda losses: None), "is there a `return`"),
    (lambda m, o, f, b: ..., "no answer yet"),
    ("train_model", "its name"),
]


ANSWERS = [
    ("batch_loss", loop, "Correct."),
    ("batch_loss", lambda g, x: F.binary_cross_entropy(g, x, reduction="sum") / len(x), "Correct."),
    ("batch_loss", lambda g, x: loop(g.double(), x.double()), "Correct."),
    ("batch_loss", lambda g, x: 784 * F.binary_cross_entropy(g, x), "Correct."),
    ("batch_loss", lambda g, x: [loop(g, x)], "one number is asked for"),
    ("batch_loss", F.binary_cross_entropy, "a mean over pixels"),
    ("batch_loss", lambda g, x: F.binary_cross_entropy(g, x, reduction="sum"), "over all images"),
    ("batch_loss", lambda g, x: F.binary_cross_entropy(x, g, reduction="sum") / len(x), "exchange"),
    ("batch_loss", lambda g, x: -loop(g, x), "the sign is wrong"),
    ("batch_loss", lambda g, x: -(x * g.log()).flatten(1).sum(1).mean(), "paper counts"),
    ("batch_loss", lambda g, x: (g - x).square().flatten(1).sum(1).mean(), "squared errors"),
    ("batch_loss", lambda g, x: -(x * g.log()).flatten(1).sum(1), "one number is asked for"),
    ("own_draws", noisy, "Correct."),
    ("own_draws", mixture, "Correct."),
    ("own_draws", lambda c, n: noisy(c, n).double(), "Correct."),
    ("own_draws", gaussian, "empty places"),
    ("own_draws", box, "empty places"),
    ("own_draws", lambda c, n: torch.randn(n, c.shape[1]), "empty places"),
    ("own_draws", lambda c, n: c[torch.randint(len(c), (n,))], "are equal"),
    ("own_draws", lambda c, n: noisy(c[:150], n), "never reached"),
    (
        "own_draws",
        lambda c, n: torch.cat([noisy(c[:150], n // 2), noisy(c[150:], n - n // 2)]),
        "50",
    ),
    ("own_draws", lambda c, n: noisy(c, n).T, "one code per row"),
    ("own_draws", lambda c, n: noisy(c, 10), "is asked for"),
    ("own_draws", lambda c, n: noisy(c, n).tolist(), "a list"),
    ("own_draws", seeded, "without a fixed seed"),
    ("own_draws", in_place, "work on a copy"),
    ("own_draws", lambda c, n: noisy(c, n) / 0, "not finite"),
    ("own_draws", "noisy", "its name"),
]


@pytest.mark.parametrize(
    ("check", "answer", "said"), [*ANSWERS, *(("training_loop", *row) for row in LOOP)]
)
def test_an_answer_gets_its_verdict(verdict, check, answer, said):
    torch.manual_seed(0)
    assert said in verdict(check, answer)


def test_a_right_way_to_draw_is_accepted_whatever_chance_does(verdict):
    for seed in range(200):
        torch.manual_seed(seed)
        assert verdict("own_draws", noisy) == "Correct.\n"
