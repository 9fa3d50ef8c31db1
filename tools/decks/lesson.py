"""From a notebook to its slides: each question before its answer, figures first."""

import re
from pathlib import Path

import nbformat

from decks import fit, parts
from decks.guide import Guide
from decks.markup import blocks, inline, items, last_sentences, plain, sentences, without_cells
from decks.parts import Figure, Slide
from decks.pictures import figures_of, halves

#: Sections for reading, and for one machine; the notes have their text.
_NOT_SHOWN = ("Words used here", "Setting up", "Is your machine ready?", "Three profiles")
_LEAST_SAID = 160  # characters; a shorter cell only leads to the next one
_MOST_CONTEXT = 330
_LEAST_OPENING = 70
_SHAPES = r"\([\d, ]+\) -> \([\d, ]+\)"  # no answer to anything
_TABLE_ROWS = 4  # printed lines that are a table, and shown without a question, too


def title_of(notebook: nbformat.NotebookNode) -> tuple[str, str]:
    """Number and title of a lesson."""
    found = re.search(r"^# (\d\d) · (.+)$", notebook.cells[0].source, re.MULTILINE)
    return found[1], found[2]


def promise_of(notebook: nbformat.NotebookNode) -> str:
    """The first cell's sentence in bold."""
    found = re.search(r"^\*\*(In this lesson.+?)\*\*$", notebook.cells[0].source, re.MULTILINE)
    return found[1] if found else ""


def times_of(notebook: nbformat.NotebookNode) -> list[str]:
    """Minutes to read, of computing, for exercises."""
    found = re.search(r"^\*\*Time:\*\* (.*?)\.?$", notebook.cells[0].source, re.MULTILINE)
    return re.split(r", (?=\d|about)", found[1].partition(". ")[0]) if found else []


class Walk:
    """Goes through the cells of a lesson, and collects slides."""

    def __init__(self, notebook: nbformat.NotebookNode, stem: str, folder: Path, guide: Guide):
        """Args:
        notebook: with its stored outputs.
        stem: of its file.
        folder: for the files of its figures.
        guide: what the speaker is told of sections.
        """
        self.notebook, self.stem, self.folder, self.guide = notebook, stem, folder, guide
        self.number, self.section = title_of(notebook)
        self.picture = self._picture()
        self.slides: list[Slide] = []
        self.opened = True  # has the section a slide yet?
        self.pending: list[str] = []  # paragraphs since the last slide
        self.named = 0, ""  # after which slide, and what the items of its list are called
        self.question = ""
        self.ran = False  # has a cell run since the question?
        self.rest: list[nbformat.NotebookNode] = []  # the cells that follow
        self.printed: list[str] = []
        self.exercise: Slide | None = None

    def walk(self) -> list[Slide]:
        """All slides of the lesson."""
        self._opening()
        for i, cell in enumerate(self.notebook.cells[1:-1], 1):
            self.rest = self.notebook.cells[i + 1 : -1]
            if cell.cell_type == "markdown":
                self._text_cell(cell.source)
            else:
                self._code_cell(cell, i)
        self._closing(self.notebook.cells[-1].source)
        return self.slides

    def _note(self, *texts: str) -> None:
        self.slides[-1].notes += texts

    def _add(self, *slides: Slide) -> None:
        """Append slides; what the guide says of a section goes to its first one."""
        if not self.opened:
            slides[0].notes += self.guide.on_section(self.number, self.section)
        self.opened, self.pending = True, []
        self.slides += slides

    # -- the first and the last cell ---------------------------------------------------------

    def _opening(self) -> None:
        source = self.notebook.cells[0].source
        cover = parts.cover(
            self.number,
            self.section,
            promise_of(self.notebook),
            times_of(self.notebook),
            self.picture,
        )
        cover.notes += self.guide.of_lesson.get(self.number, [])
        self.slides.append(cover)
        if aims := re.search(r"After it you can\n\n((?:\d+\. .*\n?)+)", source):
            self._add(*parts.bullets("After it you can", items(aims[1]), ordered=True))
        if needs := re.search(r"^(\*\*You need\*\* .*)$", source, re.MULTILINE):
            self._note(needs[1])

    def _picture(self) -> Figure:
        """The figure of the cell with the tag ``slide-cover``, or the first one."""
        cells = list(enumerate(self.notebook.cells))
        tagged = [c for c in cells if "slide-cover" in c[1].metadata.get("tags", [])]
        for i, cell in [*tagged, *cells]:
            if found := figures_of(cell, f"{self.stem}-{i:03}", self.folder):
                return found[0]
        raise ValueError(f"{self.stem} has no stored figure for its title slide")

    def _closing(self, source: str) -> None:
        self._flush()
        if found := re.search(r"## What to take away\n\n((?:\d+\. .*\n?)+)", source):
            self.section, self.opened = "What to take away", False
            self._add(*parts.bullets(self.section, items(found[1]), ordered=True, kind="takeaways"))
        asked = re.findall(r"<summary>(.*?)</summary>\s*(.*?)</details>", source, re.DOTALL)
        if asked:
            questions = [" ".join(question.split()) for question, _ in asked]
            self._add(*parts.bullets("Ask yourself", questions, ordered=True, kind="takeaways"))
            for question, answer in asked:
                self._note(f"**{' '.join(question.split())}** {' '.join(answer.split())}")

    # -- text --------------------------------------------------------------------------------

    def _text_cell(self, source: str) -> None:
        if source.startswith("<details"):
            if self.exercise:
                hint = re.sub(r"</?(?:details|summary)>|<summary>.*?</summary>", "", source)
                self.exercise.notes.append(f"**Hint.** {' '.join(hint.split())}")
            return
        found = blocks(source)
        if len(source) >= _LEAST_SAID and not source.startswith("#"):
            first = next((k for k, block in enumerate(found) if _is_prose(block)), -1)
            leads = first + 1 < len(found) and not _is_prose(found[first + 1])
            leads = leads and not found[first + 1].startswith("#")
            self._answer("" if first < 0 or leads else found[first])
        k = 0
        while k < len(found):
            block, after = found[k], found[k + 1] if k + 1 < len(found) else ""
            if heading := re.match(r"#{2,3} (.+)", block):
                if heading[1].startswith("Exercise"):
                    k = self._exercise(heading[1], found, k + 1)
                    continue
                self._begin(heading[1])
            elif self.exercise or self.section in _NOT_SHOWN:
                (self.exercise or self.slides[-1]).notes.append(block)
            else:
                self._block(block, after)
            k += 1

    def _begin(self, heading: str) -> None:
        """A new section."""
        self._flush()
        self._open()
        self.section, self.opened, self.question = heading, False, ""
        self.exercise, self.pending = None, []

    def _exercise(self, title: str, found: list[str], k: int) -> int:
        """The slide of an exercise; returns the first block after its task."""
        self._flush()
        self._open()
        start = k
        while k < len(found) and not found[k].startswith("#"):
            k += 1
        task = found[start:k]
        stub = next((c.source for c in self.rest if "exercise" in c.metadata.get("tags", [])), "")
        self.exercise = parts.exercise(title, task, stub)
        self.exercise.notes += ["**The whole task.**", *task]
        self.slides.append(self.exercise)
        self.pending, self.question, self.opened = [], "", True
        return k

    def _block(self, block: str, after: str) -> None:
        is_list = re.match(r"- |\d+\. ", block)
        if not is_list and re.search(r"\*\*Predict(\*\* \w|.*\?)", block, re.DOTALL):
            self._predict(block)
        elif block.startswith("$$"):
            follows = after if _is_prose(after) and len(plain(after)) <= _MOST_CONTEXT else ""
            if not re.search(r"[.?!)]$", follows) or "**Predict" in follows:
                follows = ""  # it leads to the next slide
            lead = self._context()
            self._add(parts.formula(self.section, block, lead, follows))
        elif block.startswith("|"):
            lead = self._context()
            self._add(*parts.table(self.section, block, lead))
        elif is_list:
            lead = self._context()
            ordered = block[0].isdigit()
            self._add(*parts.bullets(self.section, items(block), lead, ordered))
            names = [re.match(r"(\*+|`).+?\1", item) for item in items(block)]
            self.named = len(self.slides), ", ".join(name[0] for name in names if name)
        elif _is_prose(block):
            if said := without_cells(block):
                self.pending.append(said)
            self._note(block)

    def _predict(self, block: str) -> None:
        context, _, asked = block.partition("**Predict")
        is_open = re.match(
            r":|\*\*:|\*\*,|\*\* (first|before[^:]*):", asked
        )  # not "Predict the ..."
        asked = re.sub(r"^\W*(and write it down: |first: |before[^:?]*: )?", "", asked)
        asked = re.sub(r", then run the (next )?cell", "", asked)
        asked = without_cells(asked[:1].upper() + asked[1:] if is_open else f"Predict {asked}")
        asked = re.sub(r"(?<=[.?]) [^.?]*:$", "", asked)  # leads to what is not on this slide
        if context := without_cells(context.strip()):
            self.pending.append(context)
        before = self.pending[-1] if self.pending else ""
        if not self.opened and len(self.pending) > 1:
            self._open()
        # What stands in brackets at the end, or leads to what is not on this slide.
        asides = r" ?\([^()]*\.\)$| ?(^|(?<=[.?]))[^.?]*:$"
        context = last_sentences(re.sub(asides, "", before), _MOST_CONTEXT)
        answered = self.slides[-1].kind in ("printed", "text answer")
        if answered and inline(context) in self.slides[-1].body:
            context = ""  # it is the answer to the question before
        if not context and self.named[0] == len(self.slides):
            context = self.named[1]  # what "the five" are
        self._flush()
        if not self.opened and len(plain(before)) > _MOST_CONTEXT:
            self.pending = [before]
            self._open()
        self._add(parts.question(self.section, context, asked))
        self.question, self.ran = asked, False

    def _context(self) -> str:
        """The last paragraph, above what it leads to; an earlier one opens the section."""
        before = self.pending[-1] if self.pending else ""
        short = last_sentences(before, _MOST_CONTEXT)
        if not self.opened and (len(self.pending) > 1 or short != before):
            self._open()
        self._flush()
        return short

    def _open(self) -> None:
        """A section begins with a sentence or two of its own."""
        if self.opened or not self.pending or self.section in _NOT_SHOWN:
            return
        said = re.sub(r":$", ".", sentences(self.pending[0], _MOST_CONTEXT))
        if len(plain(said)) >= _LEAST_OPENING:
            self._add(parts.words(self.section, said, []))

    # -- answers -----------------------------------------------------------------------------

    def _answer(self, said: str) -> None:
        """What was printed, or only said, since the question."""
        said = without_cells(said)
        if self.printed:
            self._flush(said)
        elif self.question and self.ran and said and not self._will_show():
            short = said if len(plain(said)) <= 420 else sentences(said, _MOST_CONTEXT)
            if short:
                self._add(parts.words(self.section, short, [], "text answer"))
            self.question = ""

    def _will_show(self) -> bool:
        """Whether a result is still to come before the next section or question."""
        for cell in self.rest:
            if cell.cell_type == "markdown":
                if re.search(r"^#|\*\*Predict", cell.source, re.MULTILINE):
                    return False
            elif cell.get("outputs"):
                return True
        return False

    def _flush(self, said: str = "") -> None:
        """Slides of what was printed, if it answers a question or is a table."""
        texts, self.printed = self.printed, []
        rows = sum(text.count("\n") + 1 for text in texts)
        if not texts or not (self.question or rows >= _TABLE_ROWS):
            return
        short = said if len(plain(said)) <= 300 else sentences(said, 260)
        lead = self.question
        if not lead and self.pending and len(plain(self.pending[-1])) <= 240:
            lead = self.pending[-1]
        if lead not in self.pending[:1]:
            self._open()
        lead = lead if len(plain(lead)) <= 260 else ""
        self._add(*parts.printed(self.section, texts, lead, "" if short.endswith(":") else short))
        self.question = ""

    def _code_cell(self, cell: nbformat.NotebookNode, i: int) -> None:
        tags = cell.metadata.get("tags", [])
        if "launch" in tags:
            return
        if self.exercise:
            if "solution" in tags:
                self.exercise.notes.append(f"**Solution.**\n\n```\n{cell.source}\n```")
                self.exercise = None
            return
        if self.section in _NOT_SHOWN:
            return
        self.ran = True
        if "widgets.stage import Stage" in cell.source:
            self._open()
            self._add(parts.stage(self.section))
        shown = figures_of(cell, f"{self.stem}-{i:03}", self.folder)
        if "run-setup" not in tags:
            texts = [output.get("text", "").strip("\n") for output in cell.get("outputs", [])]
            self.printed += [t for t in texts if t.strip() and not re.fullmatch(_SHAPES, t)]
        if shown:
            text = "\n".join(self.printed)
            if "\n" not in text or fit.is_too_wide(text):
                self.printed = []  # the figure is the answer
            self._flush()
            self._open()
            for one in shown:
                whole = parts.figure(self.section, one)
                self._add(whole)
                if parts.is_too_small(one):  # once more, in two parts that can be read
                    for half in halves(one, self.folder):
                        self._add(parts.figure(self.section, half))
                        self.slides[-1].kind += " detail"
                        whole.kind = whole.kind.removesuffix(" overview") + " overview"
            self.question = ""


def _is_prose(block: str) -> bool:
    return bool(block) and not re.match(r"#|\||- |\d+\. |\$\$|<|```|~~~", block)
