"""The notes for the plugin's authors hold: each example runs, and shows today's behaviour.

A newer plugin that mends one of these faults fails the test of its note, which then says what to
remove here.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from pydoc import locate

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "plugin-notes.md"


@dataclass(frozen=True)
class Note:
    """One point of the page."""

    title: str
    text: str
    code: str

    def line(self, label: str) -> str:
        """What stands behind this label, on one line."""
        found = re.search(rf"^- \*\*{label}:\*\* (.+?)(?=^- |^$|\Z)", self.text, re.M | re.S)
        assert found, f"{self.title}: no line **{label}:**"
        return " ".join(found[1].split())


def notes() -> list[Note]:
    found = []
    for section in re.split(r"^### ", PAGE.read_text(encoding="utf-8"), flags=re.M)[1:]:
        section = re.split(r"^## ", section, flags=re.M)[0]
        title, _, text = section.partition("\n")
        codes = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
        assert len(codes) == 1, title
        found.append(Note(title, text, codes[0]))
    return found


NOTES = notes()


def verdict(note: Note) -> str:
    """Empty while the plugin behaves as the note says, else what to do."""
    try:
        exec(compile(note.code, f"{PAGE.name}: {note.title}", "exec"), {})
    except (AssertionError, pytest.fail.Exception):
        return f"{note.title}: mended upstream: remove the workaround in {note.line('Here')}"
    return ""


@pytest.mark.parametrize("note", NOTES, ids=lambda note: note.title)
def test_the_plugin_still_does_what_the_note_says(note):
    assert not (todo := verdict(note)), todo


@pytest.mark.parametrize(
    "code", ["assert False", "from pytest import raises\nwith raises(OSError): 1"]
)
def test_a_mended_fault_is_named_with_its_workaround(code):
    todo = verdict(replace(NOTES[0], code=code))
    assert "mended upstream: remove the workaround in" in todo
    assert "qdvae_helpers/losses.py" in todo


@pytest.mark.parametrize("note", NOTES, ids=lambda note: note.title)
def test_a_note_is_whole_and_what_it_names_exists(note):
    assert note.line("Expected")
    assert 2 <= len(note.code.splitlines()) <= 14
    for name in re.findall(r"`([\w.]+)`", note.line("Place")):
        assert locate(f"dwave.plugins.torch.{name}") is not None, name
    for path, name in re.findall(r"`([\w/]+\.(?:py|toml))`(?:, `(\w+)`)?", note.line("Here")):
        text = (ROOT / path).read_text(encoding="utf-8")
        assert name in text, f"{path}: {name}"


def test_the_page_names_the_version_that_we_pin():
    (version,) = re.findall(r"dwave-pytorch-plugin (\d[\d.]*\d)", PAGE.read_text(encoding="utf-8"))
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert f"dwave-pytorch-plugin=={version}" in pins
