"""Pages of the stage for tests: fixtures that open them in a browser."""

from collections.abc import Callable, Iterator

import pytest
import torch
from playwright.sync_api import Page
from small_models import class_grbm

from qdvae_helpers.checkpoints import load_pretrained
from qdvae_helpers.graphs import densest_subgraph
from qdvae_helpers.models import QDVAE
from qdvae_helpers.widgets.stage import stage_bytes, stage_page

STILL = "document.querySelector('#stage').stage.set('playing', false)"


@pytest.fixture(scope="module")
def shipped() -> QDVAE:
    return load_pretrained("qdvae-256-labels")


@pytest.fixture(scope="module")
def small(qpu) -> QDVAE:
    """16 spins whose prior has three unequal classes, strong enough to matter."""
    graph = densest_subgraph(qpu, 16)
    torch.manual_seed(1)
    model = QDVAE(graph, (24, 24), classes=("a", "b", "c"))
    model.grbm = class_grbm(graph)
    return model.eval()


@pytest.fixture(scope="module")
def address(tmp_path_factory, shipped, small) -> Iterator[Callable[[str], str]]:
    """Addresses of the pages: files, as a person without a server opens them."""
    folder = tmp_path_factory.mktemp("stage")
    for name, model in {"shipped": shipped, "small": small}.items():
        page = stage_page(stage_bytes(model))
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return lambda name: (folder / f"{name}.html").as_uri()


@pytest.fixture
def opened(page: Page, address) -> Callable[[str], Page]:
    """Opens a page, with the stage at rest."""

    def opener(name: str) -> Page:
        page.goto(address(name))
        page.wait_for_function("document.querySelector('#stage')?.stage")
        page.evaluate(STILL)
        return page

    return opener
