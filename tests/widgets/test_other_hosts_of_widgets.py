"""What VS Code and Colab need of anywidget, as docs/troubleshooting.md promises it."""

import subprocess
import sys
from importlib.metadata import distribution


def test_the_environment_holds_the_file_that_vs_code_reads():
    """VS Code looks for it by the second line where it asks no other host."""
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
