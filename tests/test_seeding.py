"""Threads that seed torch's global random numbers do not get each other's."""

import re
import threading
from pathlib import Path

import torch

from qdvae_helpers.seeding import seeded

HELPERS = Path(__file__).resolve().parent.parent / "qdvae_helpers"


def test_numbers_follow_the_seed_and_the_callers_go_on_as_before():
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(3)
    inside = torch.rand(3)
    torch.manual_seed(5)
    first = torch.rand(2)
    with seeded(3):
        assert torch.equal(torch.rand(3), inside)
    assert torch.equal(torch.cat([first, torch.rand(2)]), expected)


def test_another_thread_waits_for_its_turn():
    with seeded(1):
        alone = torch.rand(4)
    entered, drawn = threading.Event(), []

    def other():
        with seeded(2):
            entered.set()
            drawn.append(torch.rand(4))

    thread = threading.Thread(target=other)
    with seeded(1):
        first = torch.rand(2)
        thread.start()
        assert not entered.wait(0.3)
        second = torch.rand(2)
    thread.join(60)
    assert torch.equal(torch.cat([first, second]), alone)
    with seeded(2):
        assert torch.equal(drawn[0], torch.rand(4))


def test_nobody_else_seeds_torchs_global_numbers():
    found = list(HELPERS.rglob("*.py"))
    assert len(found) > 50
    seeding = {
        path.relative_to(HELPERS).as_posix()
        for path in found
        if re.search(r"torch\.manual_seed\(|fork_rng\(", path.read_text(encoding="utf-8"))
    }
    assert seeding == {"seeding.py"}
