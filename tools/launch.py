"""Write launch badges and Colab's set-up cell into the notebooks, and badges into the README.

    python tools/launch.py [--check]

Owner and repository stand in one place, ``[project.urls] Repository`` in pyproject.toml; the tag is
``v`` and the version of ``qdvae_helpers``.  Running it twice changes nothing; ``--check`` writes
nothing and fails where something would change.
"""

import argparse
import re
import sys
import tomllib
from dataclasses import dataclass
from urllib.parse import quote

import nbformat

from qdvae_helpers import __version__
from qdvae_helpers.outputs import replacing
from qdvae_helpers.paths import ROOT

FIRST = "00_start_here"  # what the README's badges open
CELL_ID = "launch-colab"

_COLAB_CELL = """\
# Only for Google Colab: fetch the lessons and what they need.  Elsewhere this does nothing.
import sys

if "google.colab" in sys.modules:
    url = "{url}"
    !test -d /content/lessons || git clone -q --depth 1 --branch {tag} $url /content/lessons
    if "/content/lessons" not in sys.path:
        sys.path.insert(0, "/content/lessons")
    try:
        from qdvae_helpers.colab import prepare
    except ImportError:
        remedy = "choose Runtime, Disconnect and delete runtime, then run again"
        raise RuntimeError("The lessons could not be fetched (see above): " + remedy) from None
    prepare()"""


@dataclass(frozen=True)
class Home:
    """Where the public repository lies."""

    owner: str
    repository: str
    tag: str

    @property
    def url(self) -> str:
        """The address that git clones."""
        return f"https://github.com/{self.owner}/{self.repository}"

    def links(self, stem: str) -> dict[str, str]:
        """For each service the address that opens this notebook."""
        path = f"notebooks/{stem}.ipynb"
        place, quoted = f"{self.owner}/{self.repository}", quote(path, safe="")
        return {
            "Binder": f"https://mybinder.org/v2/gh/{place}/{self.tag}?labpath={quoted}",
            "Colab": f"https://colab.research.google.com/github/{place}/blob/{self.tag}/{path}",
            "Codespaces": f"https://codespaces.new/{place}/tree/{self.tag}",
        }

    def badges(self, stem: str, images: str) -> str:
        """One line of Markdown; ``images`` is the way to docs/images from the file it stands in."""
        return " ".join(
            f"[![Open in {name}]({images}/badge-{name.lower()}.svg)]({link})"
            for name, link in self.links(stem).items()
        )

    def colab_cell(self) -> str:
        """The source of Colab's set-up cell."""
        return _COLAB_CELL.format(tag=self.tag, url=self.url)


def home() -> Home:
    """Owner, repository and tag, from pyproject.toml and the package's version.

    Raises:
        SystemExit: the address is not that of a repository on GitHub.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address = project["urls"]["Repository"]
    found = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+)", address)
    if not found:
        raise SystemExit(f"pyproject.toml: {address!r} is not https://github.com/OWNER/REPOSITORY")
    return Home(*found.groups(), f"v{__version__}")


def with_launch(notebook: nbformat.NotebookNode, stem: str, here: Home) -> None:
    """Give the notebook its badges, below the title, and Colab's cell, below the first cell."""
    first = notebook.cells[0]
    title, _, rest = first.source.partition("\n")
    rest = re.sub(r"\A\n*\[!\[Open in .*\n", "", rest).lstrip("\n")
    first.source = f"{title}\n\n{here.badges(stem, '../docs/images')}\n\n{rest}"

    if notebook.cells[1].get("id") != CELL_ID:
        notebook.cells.insert(1, nbformat.v4.new_code_cell(id=CELL_ID))
    cell = notebook.cells[1]
    cell.source = here.colab_cell()
    tags = ["launch", "remove-cell"]  # the second keeps it off the site
    cell.metadata = nbformat.from_dict({"jupyter": {"source_hidden": True}, "tags": tags})


def with_badges(readme: str, here: Home) -> str:
    """The README with its badges between the two marks."""
    marks = r"(<!-- badges -->\n).*?(<!-- /badges -->)"
    badges = here.badges(FIRST, "docs/images")
    text, count = re.subn(marks, lambda m: f"{m[1]}{badges}\n{m[2]}", readme, flags=re.DOTALL)
    if count != 1:
        raise SystemExit("README.md has no <!-- badges --> ... <!-- /badges --> marks.")
    return text


def main() -> int:
    """Write, or with ``--check`` compare; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    here, stale = home(), []

    wanted = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        with_launch(notebook, path.stem, here)
        wanted[path] = nbformat.writes(notebook) + "\n"
    readme = ROOT / "README.md"
    wanted[readme] = with_badges(readme.read_text(encoding="utf-8"), here)
    for path, text in wanted.items():
        if path.read_text(encoding="utf-8") != text:
            stale.append(path.relative_to(ROOT).as_posix())
            if not options.check:
                with replacing(path) as written:
                    written.write_text(text, encoding="utf-8")
    verb = "stale" if options.check else "written"
    print(f"{here.url}, {here.tag}: {', '.join(stale) or 'nothing'} {verb}")
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
