"""How fast the lessons' widgets answer in a browser: from a changed field to the painted picture.

    python benchmarks/widgets_in_browser.py [--changes 20] [--write]

JupyterLab and its kernel on this machine, Chromium without a GPU, the notebooks of the browser
tests: kernel, messages, and the browser's own part.  A change counts as answered one frame after
the new picture has been decoded.  Needs playwright (extra dev) and Chromium.  Run it on an idle
machine; two minutes.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from common import tables

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from browser_pages import (
    CHROMIUM,
    PATIENCE_MS,
    jupyterlab,
    open_and_run,
    served,
    type_number,
    write_widget_notebooks,
)

# Notebook, widget, field, and its value in the k-th change.
FIELDS = (
    ("01", "latent-map", "first number", lambda k: round(-1 + 0.1 * k, 1)),
    ("02", "spin-board", "image", lambda k: k + 1),
    ("03", "kernel", "shift of y", lambda k: round(0.1 * k, 1)),
    ("03", "kernel", "log2 of bandwidth", lambda k: -5 + 0.5 * k),
    ("04", "qpu", "its coupling J", lambda k: round(-2 + 0.1 * k, 1)),
    ("04", "qpu", "temperature", lambda k: round(1.1 + 0.1 * k, 1)),
    ("07", "inpainting", "held-out image", lambda k: k + 1),
)
# Milliseconds from the change of a field to one frame after its widget's new picture.
_ANSWER = """(field, value) => new Promise((done) => {
  const part = field.closest(".jp-OutputArea-output");
  const place = part.querySelector(".qdvae-picture");
  const began = performance.now();
  const seen = new MutationObserver(() => {
    const image = place.querySelector("img");
    if (!image) return;
    seen.disconnect();
    image.decode().then(() => requestAnimationFrame(() => done(performance.now() - began)));
  });
  seen.observe(place, {childList: true, subtree: true, attributes: true, attributeFilter: ["src"]});
  field.value = value;
  for (const kind of ["input", "change"]) field.dispatchEvent(new Event(kind, {bubbles: true}));
})"""


def answers(page, address: str, changes: int) -> list[list[str]]:
    """A row for each field: median and slowest answer."""
    rows, opened = [], ""
    for stem, name, label, value in FIELDS:
        if stem != opened:
            open_and_run(page, address, f"{stem}.ipynb")
            opened = stem
        part = page.locator(f".jp-OutputArea .qdvae-{name}")
        part.locator(".qdvae-picture img").first.wait_for()
        type_number(part, label, value(0))  # the first is slower
        page.wait_for_timeout(1_500)
        field = part.get_by_label(label, exact=True)
        spent = []
        for k in range(1, changes + 1):
            spent.append(field.evaluate(_ANSWER, str(value(k))))
            page.wait_for_timeout(150)
        median, most = statistics.median(spent), max(spent)
        rows.append([f"{stem} {label}", f"{median:.0f} ms", f"{most:.0f} ms"])
    return rows


def main() -> int:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=20)
    tables.add_write_option(parser, "results")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        write_widget_notebooks(Path(folder))
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        with served(jupyterlab(Path(folder)), Path(folder), "is running at") as address:
            rows = answers(page, address, options.changes)
        browser.close()
    lines = tables.markdown(["field", "median", "slowest"], rows)
    lines += tables.note(
        f"{options.changes} changes of each; JupyterLab and Chromium on one machine; "
        f"{tables.made_with(os.cpu_count())}."
    )
    print("\n".join(lines))
    if options.write:
        tables.to_results("widgets_in_browser", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
