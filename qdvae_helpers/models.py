"""Encoder, spins, decoder, and the Boltzmann machine between them; a Gaussian VAE for comparison.

Taught in ``01_classical_autoencoders``, ``02_spin_latent_space`` and ``05_training_the_qdvae``.

Shapes and signs used everywhere: images ``(B, 1, 28, 28)`` in [0, 1]; ``logits`` ``(B, n)`` with
``P(s_i = +1) = sigmoid(logits_i)``, so the mean spin is ``tanh(logits_i / 2)``; spins ``(..., n)``
with entries -1 and +1.
"""

import itertools
import math

import torch
from dwave.plugins.torch.models import (
    DiscreteVariationalAutoencoder,
    GraphRestrictedBoltzmannMachine,
)
from torch import nn

from qdvae_helpers.density_ratio import DensityRatio, choose
from qdvae_helpers.errors import SettingError
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.samplers import GibbsSampler, SpinSampler

IMAGE_SHAPE = (1, 28, 28)
_PIXELS = math.prod(IMAGE_SHAPE)
_SHUFFLE, _CHOICE = 1_000_003, 2_000_003  # added to a seed, for random numbers of their own


def mlp(widths: list[int]) -> nn.Sequential:
    """Linear layers of these widths with a GELU between each two."""
    layers: list[nn.Module] = []
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
        layers += [nn.GELU()] if i else []
        layers += [nn.Linear(fan_in, fan_out)]
    return nn.Sequential(*layers)


class Encoder(nn.Module):
    """Images ``(B, 1, 28, 28)`` to logits ``(B, n_spins)``."""

    def __init__(self, n_spins: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.net = mlp([_PIXELS, *hidden, n_spins])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The logits of these images."""
        return self.net(images.flatten(1))


class Decoder(nn.Module):
    """Spins ``(..., n_spins)`` to pixel logits ``(..., 1, 28, 28)``."""

    def __init__(self, n_spins: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.net = mlp([n_spins, *reversed(hidden), _PIXELS])

    def forward(self, spins: torch.Tensor) -> torch.Tensor:
        """The pixel logits of these spins."""
        return self.net(spins).unflatten(-1, IMAGE_SHAPE)

    @torch.no_grad()
    def start_from(self, pixel_logits: torch.Tensor) -> None:
        """Let the untrained decoder answer about these ``(1, 28, 28)`` whatever the spins are."""
        self.net[-1].bias.copy_(pixel_logits.flatten())


class ConvolutionalEncoder(nn.Module):
    """Images ``(B, 1, 28, 28)`` to logits ``(B, n_spins)``: maps of 14x14, of 7x7, then layers."""

    def __init__(self, n_spins: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 16, 4, stride=2, padding=1),
            nn.GELU(),
            nn.Conv2d(16, 32, 4, stride=2, padding=1),
            nn.GELU(),
            nn.Flatten(),
            mlp([32 * 7 * 7, *hidden, n_spins]),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The logits of these images."""
        return self.net(images)


class ConvolutionalDecoder(nn.Module):
    """Spins ``(..., n_spins)`` to pixel logits ``(..., 1, 28, 28)``: 7x7, 14x14, 28x28.

    One layer of its own from spins to 64 maps of 7x7 pixels; what follows is the same at every
    place of the picture, so a stroke learned in one place is known in all.
    """

    def __init__(self, n_spins: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(n_spins, 64 * 7 * 7),
            nn.GELU(),
            nn.Unflatten(1, (64, 7, 7)),
            nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1),
            nn.GELU(),
            nn.ConvTranspose2d(32, 1, 6, stride=2, padding=2),
        )
        self.pixel_bias = nn.Parameter(torch.zeros(IMAGE_SHAPE))

    def forward(self, spins: torch.Tensor) -> torch.Tensor:
        """The pixel logits of these spins."""
        pixels = self.net(spins.reshape(-1, spins.shape[-1])) + self.pixel_bias
        return pixels.reshape(*spins.shape[:-1], *IMAGE_SHAPE)

    @torch.no_grad()
    def start_from(self, pixel_logits: torch.Tensor) -> None:
        """Let the untrained decoder answer about these ``(1, 28, 28)`` whatever the spins are."""
        self.pixel_bias.copy_(pixel_logits)


#: How encoder and decoder may be built; the lessons build the dense ones.
NETWORKS = ("dense", "convolutional")


class SpinDiscretiser(nn.Module):
    """Logits to random spins, differentiably while training.

    Adding logistic noise to a logit and taking the sign draws the spin exactly.  In training the
    sign is replaced by ``tanh((logit + noise) / (2 tau))``, the binary concrete relaxation
    (Maddison et al. 2017, Jang et al. 2017); with ``hard=True`` the sign is kept in the forward
    pass and only its gradient is taken from the relaxation (straight-through).  In evaluation spins
    are drawn exactly.

    Args:
        tau: temperature of the relaxation; small is closer to a sign, with noisier gradients.
        hard: whether the decoder sees true spins while training.
    """

    def __init__(self, tau: float, hard: bool) -> None:
        super().__init__()
        self.tau = tau
        self.hard = hard
        self.generator: torch.Generator | None = None  # None: torch's global one

    def forward(self, logits: torch.Tensor, n_samples: int = 1) -> torch.Tensor:
        """``(B, n)`` to ``(B, n_samples, n)``, as the plugin's autoencoder asks."""
        size = (logits.shape[0], n_samples, *logits.shape[1:])
        uniform = torch.rand(size, generator=self.generator, device=logits.device)
        noisy = logits.unsqueeze(1) + torch.logit(uniform, eps=1e-7)
        spins = torch.where(noisy > 0, 1.0, -1.0)
        if not self.training:
            return spins
        soft = torch.tanh(noisy / (2 * self.tau))
        return soft + (spins - soft).detach() if self.hard else soft


class QDVAE(nn.Module):
    """A discrete variational autoencoder whose prior is a Boltzmann machine on a QPU graph.

    It puts together the plugin's ``DiscreteVariationalAutoencoder`` (``.dvae``) and
    ``GraphRestrictedBoltzmannMachine`` (``.grbm``): one spin a qubit, one coupling a coupler.

    Args:
        graph: the qubits and couplers that the prior may use.
        hidden: widths of the encoder's hidden layers; a dense decoder mirrors them, a convolutional
            one has none.
        network: ``dense``, as the lessons build it, or ``convolutional``, which rebuilds sharper
            and takes nearly three times as long a step.
        tau: temperature of the relaxed spins in training.
        hard: see :class:`SpinDiscretiser`.

    Raises:
        SettingError: there is no such network.
    """

    def __init__(
        self,
        graph: QPUGraph,
        hidden: tuple[int, ...] = (512, 512),
        *,
        network: str = "dense",
        tau: float = 0.5,
        hard: bool = False,
    ) -> None:
        super().__init__()
        if network not in NETWORKS:
            raise SettingError(
                f"There is no network {network!r}: choose one of {', '.join(NETWORKS)}."
            )
        n_spins = len(graph.nodes)
        self.graph = graph
        self.settings = {"hidden": list(hidden), "network": network, "tau": tau, "hard": hard}
        self.info: dict = {}  # what a checkpoint knows of its making
        #: Of the encoder's strings to the prior's, where one was fitted; training drops it.
        self.ratio: DensityRatio | None = None
        encoder: nn.Module
        decoder: nn.Module
        if network == "dense":
            encoder, decoder = Encoder(n_spins, hidden), Decoder(n_spins, hidden)
        else:
            encoder = ConvolutionalEncoder(n_spins, hidden)
            decoder = ConvolutionalDecoder(n_spins)
        self.dvae = DiscreteVariationalAutoencoder(encoder, decoder, SpinDiscretiser(tau, hard))
        self.grbm = GraphRestrictedBoltzmannMachine(graph.nodes, graph.edges)
        # The plugin starts with couplings for the temperature of a QPU; at inverse temperature 1
        # those are a spin glass.  Almost zero means that the prior has everything to learn.
        self.grbm.quadratic.data.normal_(std=0.01)

    @property
    def n_spins(self) -> int:
        """Number of latent spins, which is the number of qubits."""
        return self.grbm.n_nodes

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.grbm.linear.device

    @torch.no_grad()
    def start_from_mean(self, images: torch.Tensor) -> None:
        """Before training: let the decoder answer with the mean image.

        Otherwise the first steps use the spins to make all images darker alike, and many spins stay
        stuck at one value (taught in ``02_spin_latent_space``; benchmarks/README.md has the gain).

        Args:
            images: ``(N, 1, 28, 28)`` training images.
        """
        self.dvae.decoder.start_from(torch.logit(images.mean(0), eps=0.01))

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Logits ``(B, n)`` of the spins."""
        return self.dvae.encoder(images)

    def spins(self, logits: torch.Tensor) -> torch.Tensor:
        """One random spin string ``(B, n)`` for each row of logits."""
        return self.dvae.latent_to_discrete(logits, 1).squeeze(1)

    def decode(self, spins: torch.Tensor) -> torch.Tensor:
        """Images ``(..., 1, 28, 28)`` in [0, 1], the mean brightness of each pixel."""
        return torch.sigmoid(self.dvae.decoder(spins))

    def reconstruct(self, images: torch.Tensor) -> torch.Tensor:
        """Images through encoder, spins and decoder, ``(B, 1, 28, 28)``."""
        return self.decode(self.spins(self.encode(images)))

    @torch.no_grad()
    def generate(
        self,
        n: int,
        sampler: SpinSampler | None = None,
        seed: int | None = None,
        *,
        candidates: int = 1,
        rounds: int = 0,
    ) -> torch.Tensor:
        """New images: sample spins from the prior, decode them.

        Args:
            n: how many.
            sampler: of this model's ``grbm``; asked for spins as often as needed, fresh ones at
                first.  If left out, ``n`` Gibbs chains are annealed and equilibrated, or 256 where
                that many candidates are wanted.
            seed: of those chains, of the choice and of the rounds; a random one if left out.
            candidates: strings drawn for each that is kept, see :meth:`candidate_strings`, chosen
                by :attr:`ratio` (:func:`density_ratio.choose`); 1 gives the samples of the prior
                itself.
            rounds: of :meth:`refine` afterwards; 0 changes nothing.

        Returns:
            Images ``(n, 1, 28, 28)`` in [0, 1].

        Raises:
            SamplerError: the sampler draws from another model, or cannot serve this one.
            SettingError: there is no candidate, or several and nothing to choose them by.
        """
        if candidates > 1 and self.ratio is None:
            raise SettingError(
                "This model has no density ratio to choose by: ask for 1 candidate, or set "
                "model.ratio = fit_density_ratio(model, images)."
            )
        if seed is None and (sampler is None or rounds or candidates > 1):
            seed = int(torch.randint(2**31, ()))
        strings = self.candidate_strings(n, candidates, sampler, seed)
        if self.ratio is not None and candidates > 1:
            generator = torch.Generator(strings.device).manual_seed(seed + _CHOICE)
            spins = choose(strings, self.ratio, generator)
        else:
            spins = strings[0]
        images = torch.cat([self.decode(part) for part in spins.split(1_000)])
        return self.refine(images, rounds, seed=seed) if rounds else images

    @torch.no_grad()
    def candidate_strings(
        self,
        n: int,
        candidates: int,
        sampler: SpinSampler | None = None,
        seed: int | None = None,
    ) -> torch.Tensor:
        """Strings of the prior, several for each place, to choose among.

        The first ones are fresh; Gibbs chains that have cooled go on for 100 sweeps for each
        further one.  All are shuffled, so that strings of one chain seldom compete: a chain may
        stay near one digit for long.  A sampler of few chains cannot avoid that.

        Args:
            n: places.
            candidates: strings for each.
            sampler, seed: as for :meth:`generate`.

        Returns:
            Spins ``(candidates, n, number of spins)``.

        Raises:
            SamplerError: as for :meth:`generate`.
            SettingError: less than one candidate.
        """
        if candidates < 1:
            raise SettingError(f"candidates={candidates} must be 1 or more.")
        if seed is None and (sampler is None or candidates > 1):
            seed = int(torch.randint(2**31, ()))
        if sampler is None:
            chains = n if candidates == 1 else max(n, min(n * candidates, 256))
            sampler = GibbsSampler(self.grbm, chains, seed=seed, graph=self.graph)
        sampler.require_model(self.grbm)
        draws = [sampler.fresh()]
        while sum(map(len, draws)) < n:
            draws.append(sampler.fresh())
        later = {}
        if isinstance(sampler, GibbsSampler):
            later["sweeps"] = max(100, sampler.sweeps)
        while sum(map(len, draws)) < n * candidates:
            draws.append(sampler.sample(**later))
        strings = torch.cat(draws)[: n * candidates]
        if candidates > 1:
            generator = torch.Generator(strings.device).manual_seed(seed + _SHUFFLE)
            order = torch.randperm(len(strings), generator=generator, device=strings.device)
            strings = strings[order]
        return strings.unflatten(0, (candidates, n))

    @torch.no_grad()
    def refine(self, images: torch.Tensor, rounds: int, seed: int = 0) -> torch.Tensor:
        """Send images through encoder and decoder again, as pseudo-Gibbs sampling (lesson 06).

        In each round every pixel is drawn black or white with its brightness as probability, the
        picture is encoded, its spins are drawn and decoded.  Strokes that no training image has
        mend within a few rounds.  The results are no longer samples of the prior: encoder and
        decoder have a stationary distribution of their own, and long chains drift towards it.

        Source: Rezende, Mohamed and Wierstra 2014 (arXiv:1401.4082, missing data), and Mattei and
        Frellsen 2018 (arXiv:1802.04826), who call it pseudo-Gibbs sampling.

        Args:
            images: ``(N, 1, 28, 28)`` in [0, 1].
            rounds: how often; 0 returns the images as they are.
            seed: of pixels and spins.

        Returns:
            Images like the given ones.
        """
        generator = torch.Generator(images.device).manual_seed(seed)
        for _ in range(rounds):
            parts = []
            for part in images.split(1_000):
                logits = self.encode(torch.bernoulli(part, generator=generator))
                up = torch.bernoulli(torch.sigmoid(logits), generator=generator)
                parts.append(self.decode(2 * up - 1))
            images = torch.cat(parts)
        return images


class GaussianVAE(nn.Module):
    """The classical reference: a variational autoencoder with Gaussian codes.

    Taught in ``01_classical_autoencoders``; lesson 07 compares the QDVAE with it.  Encoder and
    decoder are those of a dense :class:`QDVAE`; the prior is the standard normal, never trained.

    Args:
        n_latent: numbers in a code.
        hidden: widths of the encoder's hidden layers; the decoder mirrors them.
    """

    def __init__(self, n_latent: int = 16, hidden: tuple[int, ...] = (512, 512)) -> None:
        super().__init__()
        self.n_latent = n_latent
        self.encoder = Encoder(2 * n_latent, hidden)  # a mean and a log-variance a dimension
        self.decoder = Decoder(n_latent, hidden)

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance of the codes, each ``(B, n_latent)``."""
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        return mean, log_variance

    def codes(self, mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
        """One random code ``(B, n_latent)`` a row, differentiable (the reparameterisation)."""
        return mean + (log_variance / 2).exp() * torch.randn_like(mean)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Images ``(..., 1, 28, 28)`` in [0, 1], the mean brightness of each pixel."""
        return torch.sigmoid(self.decoder(codes))

    def reconstruct(self, images: torch.Tensor) -> torch.Tensor:
        """Images through encoder, random codes and decoder, ``(B, 1, 28, 28)``."""
        return self.decode(self.codes(*self.encode(images)))

    @torch.no_grad()
    def generate(self, n: int, seed: int | None = None) -> torch.Tensor:
        """New images ``(n, 1, 28, 28)``: draw codes from the prior, decode them.

        Args:
            n: how many.
            seed: of the codes; torch's global generator if left out.
        """
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        codes = torch.randn(n, self.n_latent, generator=generator)
        codes = codes.to(next(self.parameters()).device)
        return torch.cat([self.decode(part) for part in codes.split(1_000)])
