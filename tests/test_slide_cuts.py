"""Where slides are cut: text into sentences, tables into rows and columns, figures into halves."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

from decks import fit
from decks.markup import (
    blocks,
    inline,
    last_sentences,
    plain,
    sentences,
    without_cells,
)
from decks.parts import Figure
from decks.pictures import halves


def test_what_is_too_much_for_a_slide_is_split():
    table = "name  value\n" + "\n".join(f"row {k}   {k}" for k in range(40))
    cut = fit.parts_of_printed(table, fit.BELOW_HEADING)
    assert len(cut) == 3
    assert all(part[0].split() == ["name", "value"] for part in cut)
    assert [line for part in cut for line in part[1:]] == fit.squeezed(table.splitlines())[1:]
    assert all(fit.printed_size(part, fit.BELOW_HEADING) >= fit.SMALLEST for part in cut)
    assert fit.squeezed(["a      b", "cc     d"]) == ["a   b", "cc  d"]
    wide = "name  " + "  ".join(f"column-{k:02}" for k in range(12))
    cut = fit.parts_of_printed(f"{wide}\n{wide.replace('column', 'number')}", fit.BELOW_HEADING)
    assert [part[0].split()[0] for part in cut] == ["name", "name"]
    assert sum(part[0].count("column") for part in cut) == 12
    entries = ["word " * 40] * 12
    lists = fit.parts_of_list(entries, 500)
    assert [entry for part in lists for entry in part] == entries
    assert all(fit.text_size(part, 500) >= fit.SMALLEST for part in lists)
    rows = "| a | b |\n|---|---|\n" + "\n".join("| one | " + "two " * 40 + "|" for _ in range(20))
    tables = fit.parts_of_table(rows, 500)
    assert len(tables) > 2
    assert all(rows[0] == ["a", "b"] and size >= fit.SMALLEST for size, rows in tables)
    assert sum(len(rows) - 1 for _, rows in tables) == 20


def test_a_split_table_says_what_its_numbers_are():
    head = "sampler      overlap^2  errors"
    assert fit.is_head(head)
    assert not fit.is_head("Gibbs        0.5        12")
    assert not fit.is_head("a sentence without columns")
    rows = [f"row {k:<8} {k}.5        {k}" for k in range(30)]
    first, second = fit.parts_of_printed("\n".join([head, *rows]), fit.BELOW_HEADING)
    assert first[0] == second[0]
    # What follows the table is not under its head.
    rest = [f"so much of it: {k}" for k in range(20)]
    parts_of_both = fit.parts_of_printed("\n".join([head, *rows[:14], *rest]), fit.BELOW_HEADING)
    assert [part[0].startswith("sampler") for part in parts_of_both] == [True, False]
    # Columns without names stay together, and a sentence is not cut like a row.
    nameless = "  ".join(["a row of numbers", *(f"{k}.12345" for k in range(10))])
    assert len(fit.parts_of_columns([nameless] * 3)) == 1
    narrow = nameless.replace("a row of numbers", "numbers")
    (part,) = fit.parts_of_printed("\n".join([narrow] * 3), fit.BELOW_HEADING)
    assert part == [narrow.replace("  ", " ")] * 3  # no row is broken, if that can be avoided
    title, end = "every number of every machine in one table", "nothing was left out of it"
    wide = "name  " + "  ".join(f"column-{k:02}" for k in range(12))
    cut = fit.parts_of_columns([title, wide, wide.replace("column", "number"), end])
    assert [part[0] for part in cut] == [title] * len(cut)
    assert [part[-1] == end for part in cut] == [False] * (len(cut) - 1) + [True]
    assert all(part[1].count("column") == part[2].count("number") for part in cut)


def test_a_cell_that_is_too_long_moves_no_other():
    ragged = ["name  one  two", "a  10.5  3.25", "a long name  1.5  13.25"]
    assert fit.aligned(ragged) == [
        "name          one    two",
        "a            10.5   3.25",
        "a long name   1.5  13.25",
    ]
    for kept in (["a   one", "b  two"], ["a  1  left", "b  2  right or so"], ["a  1  2", "so: 3"]):
        assert fit.aligned(kept) == kept


def test_what_is_said_of_cells_is_left_out_with_what_hangs_on_it():
    assert without_cells("The RBF kernel is $k$. It is 1 for equal points.") == (
        "The RBF kernel is $k$. It is 1 for equal points."
    )
    assert without_cells("One. The next cell trains twice. It takes a minute. Two.") == "One. Two."
    assert without_cells("Predict which. Run the cell. Then what?") == "Predict which. Then what?"
    assert last_sentences("One is first. So it is. Three of them lead here:", 30) == (
        "Three of them lead here:"
    )
    assert last_sentences("One two three. It hangs.", 12) == ""


def test_a_formula_keeps_the_signs_that_touch_it():
    assert inline("if $a$. Or ($b$), $c$") == (
        'if <span class="whole"><span class="math inline">\\(a\\)</span>.</span> Or '
        '<span class="whole">(<span class="math inline">\\(b\\)</span>),</span> '
        '<span class="math inline">\\(c\\)</span>'
    )


def test_a_single_panel_is_cut_with_its_axis(tmp_path):
    pixels = np.zeros((1200, 800, 4), np.uint8)
    pixels[0:1000, 100:104, 3] = 255  # an axis from top to bottom
    pixels[1000:1004, 100:700, 3] = 255  # and one below
    pixels[1040:1060, 300:500, 3] = 255  # with its name
    pixels[100:980, 200:600, 3] = 255
    pixels[500:560, 200:600, 3] = 0  # here is the least to be cut
    Image.fromarray(pixels).save(tmp_path / "one.png")
    shown = Figure("one.png", 400, 600, "one panel", "a caption", 15.0)
    upper, lower = halves(shown, tmp_path)
    heights = [Image.open(tmp_path / part.file).height for part in (upper, lower)]
    assert heights == [559 + 60, 1060 - 559]
    pixels[500:560] = 0  # several panels
    pixels[1000:1004, 350:450, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "one.png")
    heights = [part.height for part in halves(shown, tmp_path)]
    assert heights == [250, 250]
    pixels[500:560, 200:600, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "one.png")
    assert halves(shown, tmp_path) == []


def test_how_text_is_cut_into_blocks_and_sentences():
    source = "## A\nfirst\nline\n\n- one\n- two\n\n```\na\n\nb\n```\n"
    assert blocks(source) == ["## A", "first\nline", "- one\n- two", "```\na\n\nb\n```"]
    assert sentences("One is 1.5 nats. Two is more. Three is most.", 30) == (
        "One is 1.5 nats. Two is more."
    )
    assert plain(r"**Bold**, [a link](x.md), $\log p(x)$") == "Bold, a link, x p(x)"
