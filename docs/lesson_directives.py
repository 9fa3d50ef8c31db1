"""Directives of the site that are made from the notebooks, so that nothing is said twice.

``lesson-cards`` shows each lesson with a picture of its own and its minutes, ``lesson-paths`` ways
through them, ``lesson-figures`` the gallery, ``launch-buttons`` where they run without installing.
"""

import html
from itertools import pairwise

from decks.markup import inline
from docutils import nodes
from launch import FIRST, home
from lesson_pages import Figure, Lesson, lessons
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)

#: The figure of each card, by its cell.
FACES = {
    "00_start_here": "l00-05-20cc25",
    "01_classical_autoencoders": "l01-45-c30677",
    "02_spin_latent_space": "l02-106-e00133",
    "03_mmd_kernels": "l03-22-02f5ca",
    "04_grbm_on_a_qpu_subgraph": "qpu-inspect",
    "05_training_the_qdvae": "wish-figure",
    "06_generating_digits": "l06-99-87005f",
    "07_steering_digits": "l07-157-cddcfa",
    "08_judging_samples": "l08-33-00699e",
    "09_likelihood": "l09-heat-fig",
    "10_what_the_couplings_are_worth": "l10-ledger-picture",
    "11_when_sampling_is_hard": "l11-overlap-figure",
    "12_studio": "l12-09-425b31",
    "13_gate_model_classifier": "l13-12-c5e766",
    "14_quantum_convolution": "l14-25-bfd820",
    "15_quantum_transfer_learning": "l15-26-933a68",
}

#: Where a part of the series begins, and what it is called.
PARTS = {
    "00": "Build it",
    "08": "Judge it",
    "12": "Work with it",
    "13": "Circuits of gates",
}


def face_of(lesson: Lesson) -> Figure:
    """The figure of a lesson's card; a warning where the chosen one is gone."""
    wanted = FACES.get(lesson.stem)
    for figure in lesson.figures:
        if figure.cell == wanted:
            return figure
    logger.warning("%s: no figure in cell %r; see FACES in %s", lesson.stem, wanted, __file__)
    return lesson.figures[0]


def in_words(minutes: int) -> str:
    """Minutes as people say them."""
    hours, rest = divmod(minutes, 60)
    return f"{minutes} minutes" if minutes < 120 else f"{hours} h {rest:02} min"


def parts() -> list[tuple[str, list[Lesson]]]:
    """The parts of the series with their lessons."""
    starts = [*PARTS, "99"]
    return [
        (PARTS[first], [lesson for lesson in lessons() if first <= lesson.number < end])
        for first, end in pairwise(starts)
    ]


class _FromNotebooks(SphinxDirective):
    """A directive whose content is HTML written from the notebooks."""

    def run(self) -> list[nodes.Node]:
        for lesson in lessons():
            self.env.note_dependency(str(lesson.path))
        return [nodes.raw("", self.html(), format="html")]

    def html(self) -> str:
        raise NotImplementedError

    def way(self, page: str) -> str:
        """The address of a page of the site, from the one that is being written."""
        return self.env.app.builder.get_relative_uri(self.env.docname, page)

    def link(self, lesson: Lesson) -> str:
        """A link to a lesson by its name."""
        return f'<a href="{self.way(f"notebooks/{lesson.stem}")}">{html.escape(lesson.title)}</a>'


class LessonCards(_FromNotebooks):
    """A card for each lesson: picture, title, promise, minutes."""

    def html(self) -> str:
        out = []
        for name, members in parts():
            total = sum(lesson.minutes for lesson in members)
            reach = members[0].number if len(members) == 1 else ""
            reach = reach or f"{members[0].number} to {members[-1].number}"
            out.append(
                f'<p class="part"><strong>{name}</strong> '
                f"<span>{reach} · {in_words(total)}</span></p>"
            )
            out.append('<div class="lesson-cards">')
            out += map(self.card, members)
            out.append("</div>")
        return "\n".join(out)

    def card(self, lesson: Lesson) -> str:
        """One card."""
        picture = face_of(lesson).tag("../_images").replace("<img ", '<img class="face" ', 1)
        way = self.way(f"notebooks/{lesson.stem}")
        return (
            f'<a class="lesson-card" href="{way}"><span class="frame">{picture}</span>'
            f'<span class="title"><span class="number">{lesson.number}</span> '
            f"{html.escape(lesson.name)}</span>"
            f'<span class="promise">{inline(lesson.promise)}</span>'
            f'<span class="minutes">{lesson.minutes} minutes, '
            f"{lesson.exercises} in exercises</span></a>"
        )


class LessonPaths(_FromNotebooks):
    """Three ways through the lessons, each with its minutes."""

    SHORT, LAST, NEXT = "00", "The same, alive", "How a lesson works"
    HALF_DAY = ("00", "05", "06")

    def html(self) -> str:
        by_number = {lesson.number: lesson for lesson in lessons()}
        first = by_number[self.SHORT]
        reading = first.reading_before(self.NEXT)
        if reading + first.computing > 20:
            logger.warning("lesson 00 as far as %r no longer fits into 20 minutes", self.LAST)
        short = (
            f"<p>{self.link(first)}, as far as <em>{self.LAST}</em>: {reading} minutes to read and "
            f"{first.computing} to compute. The rest is for playing with the stage.</p>"
        )
        day = [by_number[number] for number in self.HALF_DAY]
        half = "".join(f"<li>{self.link(one)}: {one.minutes} minutes</li>" for one in day)
        half = f"<ul>{half}</ul><p>{in_words(sum(one.minutes for one in day))} in all.</p>"
        rows = []
        for name, members in parts():
            links = " ".join(
                f'<a href="{self.way(f"notebooks/{one.stem}")}" title="{html.escape(one.title)}">'
                f"{one.number}</a>"
                for one in members
            )
            rows.append(
                f"<li>{name}: {links}, {in_words(sum(one.minutes for one in members))}</li>"
            )
        total = in_words(sum(one.minutes for one in lessons()))
        course = f"<ul>{''.join(rows)}</ul><p>{total} in all, with every exercise.</p>"
        ways = (
            ("20 minutes", "See it work", short),
            ("Half a day", "Train it, let it draw", half),
            ("A course", "Build all of it, and doubt it", course),
        )
        return '<div class="paths">{}</div>'.format(
            "".join(
                f'<section><p class="time">{time}</p><p class="what">{what}</p>{text}</section>'
                for time, what, text in ways
            )
        )


class LessonFigures(_FromNotebooks):
    """All figures of a lesson, each of which opens alone."""

    required_arguments = 1  # the lesson's number

    def html(self) -> str:
        lesson = next(one for one in lessons() if one.number == self.arguments[0])
        shown = "".join(
            f'<figure><a href="../_images/{figure.name}">{figure.tag("../_images")}</a>'
            f"<figcaption>{html.escape(figure.caption)}</figcaption></figure>"
            for figure in lesson.figures
        )
        return f'<div class="gallery">{shown}</div>'


class Gallery(SphinxDirective):
    """A section of figures for each lesson."""

    def run(self) -> list[nodes.Node]:
        lines = []
        for lesson in lessons():
            lines += [f"## [{lesson.title}](/notebooks/{lesson.path.name})", ""]
            lines += [f"```{{lesson-figures}} {lesson.number}", "```", ""]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


class LaunchButtons(_FromNotebooks):
    """Where the lessons run without installing anything: the same links as the badges."""

    def html(self) -> str:
        start = next(one for one in lessons() if one.stem == FIRST)
        way = self.way(f"notebooks/{start.stem}")
        links = [f'<a class="main" href="{way}">Read lesson {start.number}</a>']
        links.append("<span>or run it on</span>")
        links += [
            f'<a href="{html.escape(link)}">{name}</a>'
            for name, link in home().links(FIRST).items()
        ]
        links.append(f'<a href="{self.way("docs/install")}">your machine</a>')
        return f'<p class="launch">{"".join(links)}</p>'
