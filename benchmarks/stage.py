"""How much of a frame the stage uses, how large its pages are, how soon they show something.

    python benchmarks/stage.py [--write]

In Chromium without a GPU, so drawing costs more here than on a screen.  A frame at 60 a second has
16.7 ms, at 30 a second 33.3 ms.  The phone is the same browser with a small window and the
processor slowed down four times.  Needs playwright (extra dev) and Chromium.  Run it on an idle
machine; two minutes.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from common import tables

from qdvae_helpers.checkpoints import load_pretrained
from qdvae_helpers.widgets.stage import stage_bytes, stage_page

MODELS = ("qdvae-256", "qdvae-256-labels", "qdvae-fashion-256")
MODES = ("watch", "encode", "steer", "compare")
DEVICES = {  # window, pixel ratio, how many times slower
    "laptop": ({"width": 1440, "height": 900}, 1, 1),
    "phone": ({"width": 390, "height": 844}, 2, 4),
}
_SHOWN = "document.querySelector('#stage')?.stage?.output.some((v) => v > 0.5)"
_STAGE = "document.querySelector('#stage').stage"


def frames_of(page, mode: str, seconds: float) -> tuple[float, float, float]:
    """Milliseconds of work in a frame, median and 95th percentile, and frames per second."""
    page.evaluate(f"{_STAGE}.enter('{mode}')")
    page.wait_for_timeout(1_000)
    page.evaluate(f"{_STAGE}.frameWork.length = 0")
    page.wait_for_timeout(1_000 * seconds)
    work = page.evaluate(f"{_STAGE}.frameWork")
    return statistics.median(work), statistics.quantiles(work, n=20)[-1], len(work) / seconds


def main() -> int:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6, help="of each mode")
    tables.add_write_option(parser, "results")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    sizes, rows = [], []
    chromium = os.environ.get("QDVAE_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        path = Path(folder) / "stage.html"
        for name in MODELS:
            path.write_text(stage_page(stage_bytes(load_pretrained(name))), encoding="utf-8")
            sizes.append(f"`{name}` {path.stat().st_size / 1e6:.1f} MB")
        path.write_text(stage_page(stage_bytes(load_pretrained(MODELS[1]))), encoding="utf-8")
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for device, (window, ratio, slower) in DEVICES.items():
            context = browser.new_context(viewport=window, device_scale_factor=ratio)
            page = context.new_page()
            session = context.new_cdp_session(page)
            session.send("Emulation.setCPUThrottlingRate", {"rate": slower})
            page.goto(path.as_uri())
            page.wait_for_function(_SHOWN)
            soon = page.evaluate("performance.now()")
            for mode in MODES:
                median, slowest, rate = frames_of(page, mode, options.seconds)
                rows.append([device, mode, f"{median:.1f} ms", f"{slowest:.1f} ms", f"{rate:.0f}"])
                rows[-1] += [f"{soon / 1_000:.1f} s"]
            context.close()
        browser.close()
    columns = [
        "window",
        "mode",
        "work in a frame",
        "95 % within",
        "frames per second",
        "first shown",
    ]
    lines = tables.markdown(columns, rows)
    lines += tables.note(
        f"Pages: {', '.join(sizes)}. {options.seconds:g} s of each mode; the phone is this "
        "processor four times slower."
    )
    print("\n".join(lines))
    if options.write:
        tables.to_results("stage", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
