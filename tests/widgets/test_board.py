"""The board of cells, without a browser: what both sides share, and what is refused."""

import pytest
import torch

from qdvae_helpers.errors import SettingError
from qdvae_helpers.widgets.board import Board


def test_a_board_knows_its_cells_and_sends_what_the_page_draws():
    board = Board(2, 3, list("abcdef"), "spins", label="six spins")
    assert board.values == [False] * 6
    heard = []
    board.observe(lambda change: heard.append(change["new"]), "values")
    board.set_state({"values": [True, False, False, False, False, True]})  # a stroke on the page
    assert heard == [[True, False, False, False, False, True]]
    sent = board.get_state(["rows", "columns", "names", "kind", "values", "before", "label"])
    assert (sent["rows"], sent["columns"], sent["label"]) == (2, 3, "six spins")
    assert sent["before"] == []


def test_a_picture_lies_below_a_mask():
    board = Board(1, 1, ["all"], "mask", label="known part")
    board.show(torch.linspace(0, 1, 784).reshape(1, 28, 28))
    assert len(board.picture) == 784
    assert (board.picture[0], board.picture[-1]) == (0, 255)


def test_what_does_not_fit_is_refused():
    with pytest.raises(SettingError, match="choose one of spins, mask"):
        Board(1, 1, ["a"], "chess", label="")
    with pytest.raises(SettingError, match="2 names for 4 cells"):
        Board(2, 2, ["a", "b"], "spins", label="")
    board = Board(1, 2, ["a", "b"], "spins", label="")
    with pytest.raises(SettingError, match="3 values for 2 cells"):
        board.values = [True] * 3
    with pytest.raises(SettingError, match="0 values for 2 cells"):
        board.values = []
    with pytest.raises(SettingError, match="1 values for 2 cells"):
        board.before = [True]
