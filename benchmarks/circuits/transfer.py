"""Ten digits through five qubits behind an autoencoder."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from torch import nn

from circuits.parts import Row
from qdvae_helpers.checkpoints import load_pretrained
from qdvae_helpers.data import ImageSet
from qdvae_helpers.losses import reconstruction_loss
from qdvae_helpers.models import Decoder, Encoder


def ten_digits(train: ImageSet, test: ImageSet, quick: bool) -> list[Row]:
    """Accuracies by what goes into the same head."""
    steps, seeds = (30, 2) if quick else (2_000, 3)
    torch.manual_seed(0)
    encoder, decoder = Encoder(64, (256, 128)), Decoder(64, (256, 128))
    optimizer = torch.optim.Adam(
        [*encoder.parameters(), *decoder.parameters()], lr=2e-3, fused=True
    )
    for _ in range(steps):
        batch = train.images[torch.randint(len(train.images), (128,))]
        loss = reconstruction_loss(decoder(encoder(batch)).unsqueeze(1), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        features, test_features = encoder(train.images), encoder(test.images)
    pca = PCA(5, random_state=0).fit(features)
    codes = [torch.tensor(pca.transform(f)).float() for f in (features, test_features)]
    low, high = codes[0].min(0).values, codes[0].max(0).values
    unit = [((code - low) / (high - low)).clamp(0, 1) for code in codes]
    angles = [math.pi * u for u in unit]  # in [0, pi], where the sine folds
    unfolded = [math.pi * (u - 0.5) for u in unit]

    def probabilities(theta: torch.Tensor) -> torch.Tensor:
        """Products of (1 +- sin theta) / 2; the chain of CNOTs would only permute them."""
        p = torch.stack([(1 + theta.sin()) / 2, (1 - theta.sin()) / 2], -1)
        result = torch.ones(len(theta), 1)
        for k in range(5):
            result = (result.unsqueeze(2) * p[:, k].unsqueeze(1)).flatten(1)
        return result

    def shots(p: torch.Tensor, seed: int) -> torch.Tensor:
        p = p.double().numpy()
        counts = np.random.default_rng(seed).multinomial(1_024, p / p.sum(1, keepdims=True))
        return torch.tensor(counts / 1_024).float()

    exact = [probabilities(a) for a in angles]
    qdvae = load_pretrained("qdvae-256")
    torch.manual_seed(0)
    with torch.no_grad():
        spins = [qdvae.spins(qdvae.encode(s.images.round())).float() for s in (train, test)]
    inputs = {
        "64 features of an autoencoder": ([features, test_features], "published 0.98"),
        "5 angles (PCA of the features)": (angles, ""),
        "32 exact probabilities of the circuit": (exact, "published 0.75"),
        "32 frequencies, 1,024 shots": ([shots(p, s) for s, p in enumerate(exact)], ""),
        "32 exact probabilities, angles not folded": (
            [probabilities(a) for a in unfolded],
            "",
        ),
        "5 expectations <Z>, not folded": ([a.sin().cumprod(1) for a in unfolded], ""),
        "the same without CNOTs": ([a.sin() for a in unfolded], ""),
        "256 spins of qdvae-256": (spins, ""),
    }
    rows: list[Row] = []
    for name, ((x, x_test), remark) in inputs.items():
        found = [head(x, train.labels, x_test, test.labels, steps, s) for s in range(seeds)]
        rows.append((name, found, remark))
    return rows


def head(
    x: torch.Tensor,
    y: torch.Tensor,
    x_test: torch.Tensor,
    y_test: torch.Tensor,
    steps: int,
    seed: int,
) -> float:
    """Accuracy of a net with 64 hidden units."""
    torch.manual_seed(seed)
    mean, std = x.mean(0), x.std(0) + 1e-6
    net = nn.Sequential(nn.Linear(x.shape[1], 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3, fused=True)
    for _ in range(steps):
        rows = torch.randint(len(x), (128,))
        loss = F.cross_entropy(net((x[rows] - mean) / std), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return float((net((x_test - mean) / std).argmax(1) == y_test).float().mean())
