"""A small model and what belongs to it, for calls with bad arguments."""

import torch
from small_models import StubSampler, class_grbm, new_model

from qdvae_helpers.data import ImageSet, Source
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.losses import importance_weighted_loss
from qdvae_helpers.models import GaussianVAE
from qdvae_helpers.profiles import PROFILES
from qdvae_helpers.samplers import DeviceSampler, GibbsSampler, SimulatedQPU
from qdvae_helpers.training import prepare_run

FAST = PROFILES["fast"]


class Things:
    """A small model and what belongs to it."""

    def __init__(self, graph: QPUGraph, digits: ImageSet) -> None:
        self.graph, self.digits, self.images = graph, digits, digits.images[:20]
        self.model = new_model(graph)
        self.grbm = self.model.grbm
        self.classes = class_grbm(graph)
        self.gibbs = GibbsSampler(self.grbm, 20, graph=graph)
        self.device = SimulatedQPU(graph, num_sweeps=10)
        self.spins = self.gibbs.sample()
        self.logits = self.spins * 0.3
        self.pixels = torch.zeros(20, 1, 1, 28, 28)
        self.stub = StubSampler(self.model)
        self.vae = GaussianVAE(4, (8,))

    def images_with(self, value: float) -> torch.Tensor:
        """Images of which one pixel is another value."""
        changed = self.images.clone()
        changed[3, 0, 5, 5] = value
        return changed

    def set_of(self, images=None, labels=None, source=None) -> ImageSet:
        """A set that is built by hand."""
        images = self.images if images is None else images
        labels = torch.full((20,), -1) if labels is None else labels
        return ImageSet(images, labels, Source("own", "", 20) if source is None else source)

    def device_sampler(self, **options) -> DeviceSampler:
        """A sampler on the simulated device that measures nothing unless it is asked."""
        options = {"prefactor": 0.2, "graph": self.graph} | options
        return DeviceSampler(self.grbm, self.device, 20, **options)

    def prepared(self, **options):
        """A run that would be short."""
        return prepare_run(self.digits, profile=FAST, graph=self.graph, **options)

    def bound(self, **options) -> torch.Tensor:
        """The importance-weighted loss of these things."""
        usual = {"logits": self.logits, "spins": self.spins.unsqueeze(1), "images": self.images}
        usual |= {"pixel_logits": self.pixels, "grbm": self.grbm, "prior_spins": self.spins}
        return importance_weighted_loss(**usual | options)
