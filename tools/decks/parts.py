"""Single slides: what kinds there are, and how each is laid out."""

import html
import math
from dataclasses import dataclass, field

from decks import fit
from decks.markup import inline, plain, rendered, sentences, without_cells

_LEAD = 24  # size of the line that leads to a table or a formula


@dataclass
class Slide:
    """One slide: HTML below a heading, and what the speaker reads."""

    kind: str
    heading: str
    body: str
    notes: list[str] = field(default_factory=list)  # paragraphs in Markdown


@dataclass
class Figure:
    """A stored figure: where its file lies, and what belongs to it."""

    file: str
    width: int
    height: int
    alt: str
    caption: str
    writing: float  # CSS pixels of its smallest writing, at this width


def _text(texts: list[str], size: int, name: str = "") -> str:
    inner = "".join(f"<p>{inline(text)}</p>" for text in texts)
    return f'<div class="words {name}" style="font-size: {size}px">{inner}</div>'


def _lead(lead: str) -> tuple[str, float]:
    """A line above what it leads to, and the height that it takes."""
    if not lead:
        return "", 0
    return _text([lead], _LEAD, "lead"), fit.text_height([lead], _LEAD) + 20


def words(heading: str, text: str, notes: list[str], kind: str = "text") -> Slide:
    """A slide with some sentences in large type."""
    size = fit.text_size([text], 400, largest=36) or 24
    return Slide(kind, heading, _text([text], size, "large"), notes)


def question(heading: str, context: str, asked: str) -> Slide:
    """A question, before its answer; a short context above."""
    parts = [_text([context], _LEAD, "context")] if context else []
    room = 440 - (fit.text_height([context], _LEAD) if context else 0)
    size = fit.text_size([asked], room, largest=40) or 24
    parts.append(_text([asked], size, "asked"))
    return Slide("predict", heading, '<div class="label">Predict</div>' + "".join(parts))


def _place(shown: Figure) -> tuple[str, float]:
    """Where the caption of a figure lies, and how large the figure becomes by that.

    Alone, without a heading, it gets the most room: that is for one that could not be read.
    """

    def lines(width: int) -> int:
        return math.ceil(len(shown.caption) * 10.8 / width)

    rooms = {
        "below": (fit.ROOM + 40, fit.HEIGHT - 92 - 28 * lines(1120)),
        "beside": (fit.WIDTH - 324, fit.HEIGHT - 30),
        "alone": (fit.WIDTH - 12, fit.HEIGHT - 20 - 26 * lines(1040)),
    }
    scales = {k: min(w / shown.width, h / shown.height) for k, (w, h) in rooms.items()}
    place = "beside" if scales["beside"] > 1.04 * scales["below"] else "below"
    if scales[place] * shown.writing < fit.READABLE and scales["alone"] > scales[place]:
        place = "alone"
    return place, scales[place]


def is_too_small(shown: Figure) -> bool:
    """Whether one cannot read the writing in a figure that is shown as a whole."""
    return _place(shown)[1] * shown.writing < fit.READABLE


def figure(heading: str, shown: Figure) -> Slide:
    """A figure as large as the slide allows, its caption below or beside it."""
    place, scale = _place(shown)
    image = (
        f'<img src="figures/{shown.file}" alt="{html.escape(shown.alt)}" '
        f'width="{round(shown.width * scale)}" height="{round(shown.height * scale)}" '
        f'data-writing="{shown.writing * scale:.2f}">'
    )
    body = f"<figure>{image}<figcaption>{html.escape(shown.caption)}</figcaption></figure>"
    return Slide(f"figure {place}", heading, body)


def printed(heading: str, texts: list[str], asked: str = "", said: str = "") -> list[Slide]:
    """What cells printed: numbers under their question, a word on them below."""
    above, used = _lead(asked)
    height = fit.BELOW_HEADING - used
    if not any(map(fit.is_too_wide, texts)):
        texts = ["\n".join(texts)]
    parts = [part for text in texts for part in fit.parts_of_printed(text, height)]
    slides = []
    for lines in parts:
        below = ""
        size = fit.printed_size(lines, height)
        if said and len(parts) == 1:
            needed = fit.text_height([said], 26) + 24
            smaller = fit.printed_size(lines, height - needed)
            if smaller >= fit.SMALLEST:
                size, below = smaller, _text([said], 26, "said")
        block = html.escape("\n".join(lines))
        body = f'{above}<pre style="font-size: {size:.1f}px">{block}</pre>{below}'
        slides.append(Slide("printed", heading, body))
    return slides


def bullets(
    heading: str, entries: list[str], lead: str = "", ordered: bool = False, kind: str = "list"
) -> list[Slide]:
    """A list, over several slides if it is long."""
    above, used = _lead(lead)
    height, width = fit.BELOW_HEADING - used - 10, fit.ROOM - 50
    slides, start = [], 1
    for part in fit.parts_of_list(entries, height, width, lead):
        size = fit.text_size(part, height, width, largest=32) or 22
        tag, first = ("ol", f' start="{start}"') if ordered else ("ul", "")
        inner = "".join(f"<li>{inline(entry)}</li>" for entry in part)
        if len(" ".join([lead, *part]).split()) > fit.MOST_WORDS:  # one long item below a long lead
            above = _lead(sentences(lead, 120))[0]
        body = f'{above}<{tag}{first} class="words" style="font-size: {size}px">{inner}</{tag}>'
        slides.append(Slide(kind, heading, body))
        start += len(part)
    return slides


def _table(rows: list[list[str]], shares: list[float], size: int) -> str:
    columns = "".join(f'<col style="width: {100 * share:.1f}%">' for share in shares)
    lines = [
        f"<tr>{''.join(f'<{tag}>{inline(cell)}</{tag}>' for cell in row)}</tr>"
        for tag, row in zip(["th", *["td"] * len(rows)], rows, strict=False)
    ]
    inner = f"<colgroup>{columns}</colgroup>{''.join(lines)}"
    return f'<table style="font-size: {size}px">{inner}</table>'


def table(heading: str, block: str, lead: str = "") -> list[Slide]:
    """A table of the text, over several slides if it is long."""
    above, used = _lead(lead)
    shares = fit.column_shares(fit.cells_of(block))
    return [
        Slide("table", heading, above + _table(rows, shares, size))
        for size, rows in fit.parts_of_table(block, fit.BELOW_HEADING - used - 10)
    ]


def formula(heading: str, tex: str, lead: str, after: str) -> Slide:
    """A displayed formula between the sentences that lead to it and explain it.

    ``deck.js`` makes a wide one smaller.
    """
    parts = [_text([lead], 28, "lead")] if lead else []
    parts.append(f'<div class="formula" style="font-size: 44px">{rendered(tex)}</div>')
    parts += [_text([after], 26, "said")] if after else []
    return Slide("formula", heading, "".join(parts))


def _stub(code: str, height: float) -> tuple[str, float]:
    """Code, and the height that it takes; nothing if it cannot be read in the height."""
    lines = code.splitlines()
    size = min(fit.printed_size(lines, height - 10), 24.0)
    if size < fit.SMALLEST:
        return "", 0
    block = html.escape(code)
    return f'<pre style="font-size: {size:.1f}px">{block}</pre>', 1.32 * size * len(lines) + 38


def exercise(title: str, task: list[str], stub: str) -> Slide:
    """The task of an exercise, as much of it as fits; the notes have all.

    Below it stands the code to be completed, if that leaves the task large or is spoken of there.
    """
    name, _, rest = title.partition(":")
    number, _, effort = name.partition("(")
    level, _, minutes = effort.rstrip(")").partition(", ")
    label = f"{level.capitalize()} · {minutes}" if minutes else name
    kept: list[str] = []
    for block in filter(None, map(without_cells, task)):
        if fit.text_height([plain(b) for b in [*kept, block]], 24) > 440:
            break
        kept.append(block)
    if not kept and task:
        kept = [task[0]]
    texts = [plain(block) for block in kept]
    code, room = _stub(stub, 470 - fit.text_height(texts, 26))
    if fit.text_size(texts, 440 - room) < 24 and "`...`" not in "".join(kept):
        code, room = "", 0
    size = fit.text_size(texts, 440 - room, largest=34) or 22
    inner = "".join(
        _table(rows := fit.cells_of(block), fit.column_shares(rows), 22)
        if block.startswith("|")
        else rendered(block)
        for block in kept
    )
    body = (
        f'<div class="label">{html.escape(label)}</div>'
        f'<div class="words" style="font-size: {size}px">{inner}</div>{code}'
    )
    return Slide("exercise", f"{number.strip()}: {rest.strip()}", body)


def cover(number: str, title: str, promise: str, times: list[str], picture: Figure) -> Slide:
    """The title slide: number, title, promise, minutes, and a picture of its own."""
    room = (500, 560)
    scale = min(room[0] / picture.width, room[1] / picture.height)
    size = next(s for s in (58, 50, 44, 38) if s == 38 or fit.text_height([title], s, 620) < 180)
    pills = "".join(f"<li>{html.escape(time)}</li>" for time in times)
    body = (
        f'<div class="who"><div class="number">{number}</div>'
        f'<h1 style="font-size: {size}px">{inline(title)}</h1>'
        f'<p class="promise">{inline(promise)}</p><ul class="times">{pills}</ul></div>'
        f'<div class="picture"><img src="figures/{picture.file}" alt="{html.escape(picture.alt)}" '
        f'width="{round(picture.width * scale)}" height="{round(picture.height * scale)}"></div>'
    )
    return Slide("cover", "", body)


def stage(heading: str) -> Slide:
    """The model, alive, in a frame; its page says how to leave it."""
    body = (
        '<iframe class="stage" data-src="stage.html" title="The model, alive" allow="fullscreen">'
        '</iframe><p class="leave">Click into it to play. The deck has the arrow keys back after '
        "<kbd>Esc</kbd>; <kbd>Page down</kbd> goes on at once.</p>"
    )
    return Slide("stage", heading, body)
