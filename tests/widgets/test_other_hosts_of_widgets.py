"""What VS Code and Colab need of anywidget, as docs/troubleshooting.md promises it."""

import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
from matplotlib.colors import to_rgb

import qdvae_helpers

_STYLES = Path(qdvae_helpers.__file__).with_name("widgets")


def test_the_environment_holds_the_file_that_vs_code_reads():
    """Where VS Code asks no other host, it reads this line of extension.js to find index.js."""
    files = {
        file.name: file.read_text()
        for file in distribution("anywidget").files
        if "nbextensions/anywidget/" in file.as_posix() and file.suffix == ".js"
    }
    assert files["extension.js"].count('anywidget: "nbextensions/anywidget/index"') == 1
    assert "requirejs?.config({" in files["extension.js"]
    assert "define(" in files["index.js"]


def test_on_colab_a_widget_switches_the_manager_on_by_itself():
    program = """
import sys, types
colab = types.ModuleType("google.colab.output")
colab._widgets = types.SimpleNamespace(_installed_url="https://example.org/manager.js")
colab.enable_custom_widget_manager = lambda: print("switched on")
sys.modules[colab.__name__] = colab
import anywidget
class Mine(anywidget.AnyWidget):
    _esm = "export default {}"
data, metadata = Mine()._repr_mimebundle_()
print(metadata["application/vnd.jupyter.widget-view+json"]["colab"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "switched on",
        "{'custom_widget_manager': {'url': 'https://example.org/manager.js'}}",
    ], done.stderr


def luminance(colour: str) -> float:
    """As WCAG 2 has it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("sheet", "names"), [("curves", "c-[0-3]"), ("board", "b-focus")])
def test_what_is_drawn_is_seen_whatever_ground_a_host_puts_below(sheet, names):
    """VS Code's is white in its dark theme, too; 3 is what WCAG asks of graphics."""
    text = _STYLES.joinpath(f"{sheet}.css").read_text(encoding="utf-8")
    colours = re.findall(rf"--{names}: ([^;]+);", text)
    assert colours
    for colour in colours:
        for ground in ("#ffffff", "#1e1e1e"):
            dark, light = sorted((luminance(colour), luminance(ground)))
            assert (light + 0.05) / (dark + 0.05) >= 3, (colour, ground)
