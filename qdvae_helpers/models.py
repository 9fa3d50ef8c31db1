"""The two generative models: the QDVAE, and a Gaussian VAE for comparison (lessons 01, 02, 05).

Shapes and signs: see :mod:`qdvae_helpers.networks`, whose parts are at hand here, too.
"""

import itertools
import warnings
from collections.abc import Callable, Sequence

import torch
from dwave.plugins.torch.models import (
    DiscreteVariationalAutoencoder,
    GraphRestrictedBoltzmannMachine,
)
from torch import nn

from qdvae_helpers.arguments import (
    require_count,
    require_grbm,
    require_image_shape,
    require_images,
    require_kind,
    require_number,
    require_rows,
    require_seed,
)
from qdvae_helpers.data import Source
from qdvae_helpers.errors import MixingWarning, SettingError
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.networks import IMAGE_SHAPE, Decoder, Encoder, SpinDiscretiser
from qdvae_helpers.priors import ClassBoltzmannMachine, Wish, require_names, wanted_classes
from qdvae_helpers.samplers import GibbsSampler, SpinSampler

__all__ = ["IMAGE_SHAPE", "QDVAE", "Decoder", "Encoder", "GaussianVAE", "SpinDiscretiser"]

_MOST_WEIGHTS = 10**9  # of an encoder, 4 GB
_WISHES = 1_000_003  # added to a seed, for random numbers of their own
_MOST_IMAGES = 1_000_000  # at a time, 3 GB
_PART = 1_000  # rows that go through a network at once, where there is no gradient


def _widths(hidden: tuple[int, ...]) -> tuple[int, ...]:
    """Widths of hidden layers, as a tuple of whole numbers."""
    if not isinstance(hidden, tuple | list):
        raise SettingError(f"hidden={hidden!r} must be a tuple of widths, such as (512, 512).")
    widths = [require_count("width of a hidden layer", one, most=100_000) for one in hidden]
    weights = sum(a * b for a, b in itertools.pairwise([784, *widths]))
    if weights > _MOST_WEIGHTS:
        raise SettingError(
            f"hidden={hidden!r:.60} means {weights:,} weights: choose narrower layers."
        )
    return tuple(widths)


def _codes(name: str, codes: torch.Tensor, weights: torch.Tensor, length: int) -> torch.Tensor:
    """What a decoder reads ``(..., length)``, in its own precision."""
    if not isinstance(codes, torch.Tensor) or not codes.dim() or codes.shape[-1] != length:
        shape = tuple(codes.shape) if isinstance(codes, torch.Tensor) else type(codes).__name__
        raise SettingError(f"{name}: {shape}, where a tensor (..., {length}) is needed.")
    if codes.is_complex():
        raise SettingError(f"{name} are complex numbers, where real ones are needed.")
    return codes.to(weights.dtype)


def _in_parts(network: Callable[[torch.Tensor], torch.Tensor], rows: torch.Tensor) -> torch.Tensor:
    """What a network makes of rows, a part at a time where no gradient asks for all at once.

    Hidden layers of 60,000 images take 120 MB each.
    """
    if torch.is_grad_enabled() or rows.dim() < 2 or len(rows) <= _PART:
        return network(rows)
    first, *others = rows.split(_PART)
    first = network(first)
    result = first.new_empty(len(rows), *first.shape[1:])
    result[:_PART] = first
    for part, place in zip(others, result[_PART:].split(_PART), strict=True):
        place.copy_(network(part))
    return result


class QDVAE(nn.Module):
    """A discrete variational autoencoder (``.dvae``) with a Boltzmann machine (``.grbm``) as prior.

    Both are the plugin's; there is one spin per qubit and one coupling per coupler.

    Args:
        graph: the qubits and couplers that the prior may use.
        classes: a name for each class that the prior shall have biases for, see
            :mod:`qdvae_helpers.priors`; several may have one name, as clusters within a label do.
            None of them: a plain prior, the same for all images.
        hidden: widths of the encoder's hidden layers; the decoder mirrors them.
        tau, hard: see :class:`SpinDiscretiser`.

    Its numbers are of single precision, whatever torch's default is.

    Raises:
        SettingError: no graph, one without qubits, or a number out of range.
    """

    def __init__(
        self,
        graph: QPUGraph,
        hidden: tuple[int, ...] = (512, 512),
        *,
        classes: Sequence[str] = (),
        tau: float = 0.5,
        hard: bool = False,
    ) -> None:
        super().__init__()
        n_spins = require_count(
            "number of qubits", len(require_kind("graph", graph, QPUGraph).nodes)
        )
        self.graph = graph
        hidden = _widths(hidden)
        tau = require_number("tau", tau, above=0)
        self.class_names = require_names(classes)  #: one per class; empty without classes
        self.settings = {"hidden": list(hidden), "tau": tau, "hard": hard}
        self.settings |= {"classes": list(self.class_names)} if classes else {}
        self.info: dict = {}  # what a checkpoint knows of its making
        encoder, decoder = Encoder(n_spins, hidden), Decoder(n_spins, hidden)
        self.dvae = DiscreteVariationalAutoencoder(encoder, decoder, SpinDiscretiser(tau, hard))
        if self.class_names:
            prior = ClassBoltzmannMachine(graph.nodes, graph.edges, len(self.class_names))
        else:
            prior = GraphRestrictedBoltzmannMachine(graph.nodes, graph.edges)
        self.grbm = require_grbm(prior)
        # The plugin starts with couplings for the temperature of a QPU; at inverse temperature 1
        # those are a spin glass.  Almost zero means that the prior has everything to learn.
        self.grbm.quadratic.data.normal_(std=0.01)
        self.float()

    @property
    def n_spins(self) -> int:
        """Number of latent spins, which is the number of qubits."""
        return self.grbm.n_nodes

    @property
    def wishes(self) -> tuple[str, ...]:
        """What :meth:`generate` can be asked for: the names of classes, each once, in order."""
        return tuple(dict.fromkeys(self.class_names))

    @property
    def trained_on(self) -> Source | None:
        """The images that the model learned, as a saved model knows them; prints as a caption."""
        data = self.info.get("data")
        return None if data is None else Source.from_dict(data)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.grbm.linear.device

    @torch.no_grad()
    def start_from_mean(self, images: torch.Tensor) -> None:
        """Before training: let the decoder answer with the mean of images ``(N, 1, 28, 28)``.

        Otherwise the first steps use the spins to make all images darker alike, and many spins stay
        stuck at one value (taught in ``02_spin_latent_space``; docs/lab-notes.md has the gain).
        """
        require_images("images", images)
        self.dvae.decoder.start_from(torch.logit(images.mean(0), eps=0.01))

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Logits ``(B, n)`` of the spins, of images ``(B, 1, 28, 28)``.

        Without gradients, as under ``torch.no_grad()``, any number of images takes little memory.
        """
        require_image_shape("images", images)
        return _in_parts(self.dvae.encoder, images.to(self.grbm.linear.dtype))

    def spins(self, logits: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """One random spin string ``(B, n)`` for each row of logits."""
        require_rows("logits", logits, self.n_spins)
        return self.dvae.latent_to_discrete(logits, 1, generator).squeeze(1)

    def forward(
        self, images: torch.Tensor, draws: int = 1, generator: torch.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What the plugin's autoencoder computes, with random numbers of one's own.

        Returns:
            Logits ``(B, n)``, spins ``(B, draws, n)``, pixel logits ``(B, draws, 1, 28, 28)``.
        """
        logits = self.encode(images)
        spins = self.dvae.latent_to_discrete(logits, draws, generator)
        return logits, spins, self.dvae.decoder(spins)

    def decode(self, spins: torch.Tensor) -> torch.Tensor:
        """Images ``(..., 1, 28, 28)`` in [0, 1], the mean brightness of each pixel.

        Without gradients, as under ``torch.no_grad()``, any number of strings takes little more
        memory than their images.
        """
        codes = _codes("spins", spins, self.grbm.linear, self.n_spins)
        return _in_parts(lambda part: torch.sigmoid(self.dvae.decoder(part)), codes)

    def reconstruct(self, images: torch.Tensor) -> torch.Tensor:
        """Images through encoder, spins and decoder, ``(B, 1, 28, 28)``."""
        require_images("images", images)  # spins would hide a NaN
        return self.decode(self.spins(self.encode(images)))

    @torch.no_grad()
    def generate(
        self,
        n: int,
        sampler: SpinSampler | None = None,
        seed: int | None = None,
        *,
        classes: Wish = None,
    ) -> torch.Tensor:
        """New images: sample spins from the prior, decode them.

        Args:
            n: how many.
            sampler: of this model's ``grbm``; annealed Gibbs chains if left out.
            seed: of those chains, and of the classes; else the sampler's own, or a random one.
            classes: a wish, one for all images or one each: a name of :attr:`wishes`, or its number
                there.  As frequent as among the training images, in random order, if left out.

        Returns:
            Images ``(n, 1, 28, 28)`` in [0, 1].

        Raises:
            SamplerError: the sampler draws from another model, or cannot serve this one.
            SettingError: no images, or a wish that this model does not know.

        Warns:
            MixingWarning: the sampler has reason to doubt its own strings.
        """
        spins, doubt = self._prior_strings(n, sampler, seed, classes)
        if doubt:
            warnings.warn(doubt, MixingWarning, stacklevel=3)
        return self.decode(spins)

    @torch.no_grad()
    def prior_strings(
        self,
        n: int,
        sampler: SpinSampler | None = None,
        seed: int | None = None,
        *,
        classes: Wish = None,
    ) -> torch.Tensor:
        """The spins ``(n, number of spins)`` that :meth:`generate` decodes, with its arguments."""
        spins, doubt = self._prior_strings(n, sampler, seed, classes)
        if doubt:
            warnings.warn(doubt, MixingWarning, stacklevel=3)
        return spins

    def _prior_strings(
        self, n: int, sampler: SpinSampler | None, seed: int | None, wish: Wish
    ) -> tuple[torch.Tensor, str]:
        """The strings, and their sampler's doubt about them."""
        n = require_count("n", n, most=_MOST_IMAGES)
        if sampler is not None:
            require_kind("sampler", sampler, SpinSampler).require_model(self.grbm)
        if seed is not None:
            seed = require_seed(seed)
        elif sampler is None:
            seed = int(torch.randint(2**31, ()))
        else:  # a sampler's own seed decides; only classes need another number of it
            seed = sampler.fresh_seed() if self.class_names else 0
        generator = torch.Generator().manual_seed(seed + _WISHES)
        classes = wanted_classes(n, wish, self.class_names, self.grbm, generator)
        if sampler is None:
            sampler = GibbsSampler(self.grbm, n, seed=seed, graph=self.graph)
        if classes is None:
            classes = torch.zeros(n, dtype=torch.int64)
        draws = []
        for part in classes.split(sampler.num_samples):
            # A call gives num_samples strings; the last part may need fewer.
            places = torch.arange(sampler.num_samples) % len(part)
            sampler.classes = part[places.to(part.device)]
            draws.append(sampler.fresh()[: len(part)])
        return torch.cat(draws), sampler.doubt()

    @torch.no_grad()
    def refine(self, images: torch.Tensor, rounds: int, seed: int = 0) -> torch.Tensor:
        """Send images through encoder and decoder again, as pseudo-Gibbs sampling (lesson 07).

        In each round every pixel is drawn black or white with its brightness as probability, the
        picture is encoded, its spins are drawn and decoded.  Were the encoder the exact posterior,
        this would be Gibbs sampling of the model's joint distribution, prior included.  It is not,
        so the results are no samples of the prior: long chains drift towards a stationary
        distribution of encoder and decoder.

        Source: Rezende, Mohamed and Wierstra 2014 (arXiv:1401.4082, missing data), and Mattei and
        Frellsen 2018 (arXiv:1802.04826), who call it pseudo-Gibbs sampling.

        Images are ``(N, 1, 28, 28)`` in [0, 1], like the result; SettingError for others.
        """
        require_images("images", images)
        rounds, seed = require_count("rounds", rounds, 0), require_seed(seed)
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
    """The classical reference (lessons 01 and 10): a variational autoencoder with Gaussian codes.

    Encoder and decoder are those of a :class:`QDVAE`; the prior of the ``n_latent`` numbers of a
    code is the standard normal.
    """

    def __init__(self, n_latent: int = 16, hidden: tuple[int, ...] = (512, 512)) -> None:
        super().__init__()
        self.n_latent = require_count("n_latent", n_latent, most=100_000)
        hidden = _widths(hidden)
        self.encoder = Encoder(2 * n_latent, hidden)  # a mean and a log-variance a dimension
        self.decoder = Decoder(n_latent, hidden)

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance of the codes, each ``(B, n_latent)``."""
        require_image_shape("images", images)
        mean, log_variance = self.encoder(images.to(self._like.dtype)).chunk(2, dim=1)
        return mean, log_variance

    def codes(self, mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
        """One random code ``(B, n_latent)`` a row, differentiable (the reparameterisation)."""
        return mean + (log_variance / 2).exp() * torch.randn_like(mean)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Images ``(..., 1, 28, 28)`` in [0, 1], the mean brightness of each pixel."""
        return torch.sigmoid(self.decoder(_codes("codes", codes, self._like, self.n_latent)))

    @property
    def _like(self) -> torch.Tensor:
        return self.decoder.net[-1].bias

    def reconstruct(self, images: torch.Tensor) -> torch.Tensor:
        """Images through encoder, random codes and decoder, ``(B, 1, 28, 28)``."""
        return self.decode(self.codes(*self.encode(images)))

    @torch.no_grad()
    def generate(self, n: int, seed: int | None = None) -> torch.Tensor:
        """New images ``(n, 1, 28, 28)``; without a seed torch's global numbers draw the codes."""
        n = require_count("n", n, most=_MOST_IMAGES)
        generator = None if seed is None else torch.Generator().manual_seed(require_seed(seed))
        codes = torch.randn(n, self.n_latent, generator=generator)
        return _in_parts(self.decode, codes.to(self._like))
