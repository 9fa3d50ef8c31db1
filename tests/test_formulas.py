"""Every formula in documents and lessons is one that all viewers take (``formulas.py``)."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from formulas import faults, formulas

ROOT = Path(__file__).resolve().parent.parent
KATEX = ROOT / "build" / "katex"
KATEX_VERSION = "0.16.22"
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "data").rglob("*.md")),
    *sorted((ROOT / "benchmarks").rglob("*.md")),
    *sorted((ROOT / "notebooks").glob("*.ipynb")),
]


def texts(path: Path) -> list[str]:
    """A Markdown file, or the Markdown cells of a notebook."""
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        return [text]
    cells = json.loads(text)["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_formula_is_one_that_all_viewers_take(path):
    assert not [fault for text in texts(path) for fault in faults(text)]


BAD = {
    "macro that GitHub refuses": r"$\operatorname{sign} x$",
    "macro of an extension": r"$\bm{x}$",
    "number sign": r"$\#\text{splits}$",
    "thin space": r"$a\,b$",
    "thick space": r"$$a \;\le\; b$$",
    "negative space": r"$$E_q\!x$$",
    "braces": r"$\{0, 1\}$",
    "norm": r"$KL(q\|p)$",
    "per cent": r"$5\%$",
    "a line's end": "$$a\\\\\nb$$",
    "emphasis with stars": "$a*b$ and $c*d$",
    "emphasis within": "$a *b* c$",
    "emphasis with underscores": r"$\mathbb{E}_{q}$ and $\sum_{i}$",
    "emphasis around": "_$a$_",
    "bold around": "**$a$**",
    "a link within": "$[a+b](c+d)$",
    "within a link": "[$a$](there.md)",
    "a tag": "$a <b > c$",
    "less, without blanks": "$a<b$",
    "an entity": r"$a&lt;b$",
    "a column's end": "| a | b |\n|---|---|\n| $p(x|z)$ | c |\n",
    "struck through": "$a~b~c$",
    "a comment": "$a % b$",
    "a letter before": "the$x$ is",
    "a hyphen before": "the -$x$ is",
    "a quote before": 'the "$x$" is',
    "a letter after": "all $x$s",
    "a digit after": "$x$1",
    "blanks inside": "$ x $",
    "over two lines": "$a +\nb$",
    "a price": "It costs $5.",
    "not closed": "so $x is",
    "displayed within a sentence": "so $$x$$ is",
    "displayed, with text before": "so\nthat $$x$$\n",
    "displayed, with an empty line": "$$a\n\nb$$",
    "displayed, with a list inside": "$$a\n- b$$",
    "displayed, with a heading inside": "$$a\n=\nb$$\n",
    "displayed, with a quote inside": "$$a\n> b$$\n",
    "in a tag's line": "<details><summary>Why $x$?</summary>\n\nSo.\n</details>",
    "GitHub's own dollars": "$`x`$",
    "GitHub's own fence": "```math\nx\n```",
    "brackets": r"\(x\)",
    "square brackets": r"\[x\]",
    "Greek letters": "$β$",
    "an open brace": r"$\frac{a}{b$",
    "left without right": r"$\left( a$",
    "dollars in a text": r"$$\text{if $x$}$$",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_what_a_viewer_would_not_show_is_found(text):
    assert faults(text)


GOOD = {
    "inline": r"With $x_i$ and $y_j$, ($z$), and $\ell$-th: $a \lt b$.",
    "in a table": "| a | b |\n|---|---|\n| $p(x \\mid z)$ | c |\n",
    "in a list": "- one $a_{ij}$\n- two\n\n  $$a\n  = b$$\n",
    "displayed": "So\n\n$$\\log p(x) \\ge \\mathbb E_q[x]\n\\qquad y.$$\n\nand on.",
    "no formula": "`$x` and `$y$`, \\$5\n\n```sh\necho $HOME\n```\n",
    "formulas named in code": "`$...$` within a line, `$$...$$` alone, no `\\operatorname`",
    "in details": "<details><summary>Why?</summary>\n\nFor $x$.\n</details>",
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_what_all_take_is_left_alone(text):
    assert not faults(text)


RENDER = """
const katex = require(process.argv[1]);
const wrong = [];
for (const [body, displayMode] of JSON.parse(require("fs").readFileSync(0, "utf-8"))) {
  try {
    katex.renderToString(body, { displayMode, strict: "error", throwOnError: true });
  } catch (error) {
    wrong.push(body + ": " + error.message);
  }
}
console.log(JSON.stringify(wrong));
"""


@pytest.fixture(scope="module")
def katex() -> Path:
    """KaTeX, which VS Code has, from npm; kept in build/."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not here: KaTeX does not look at the formulas")
    if not (KATEX / "node_modules" / "katex").exists():
        options = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts"]
        command = ["npm", "install", "--prefix", KATEX, *options, f"katex@{KATEX_VERSION}"]
        KATEX.mkdir(parents=True, exist_ok=True)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        except subprocess.TimeoutExpired:
            pytest.skip("npm has not answered for a minute: KaTeX does not look at the formulas")
        if done.returncode:
            pytest.skip(f"KaTeX cannot be had from npm: {done.stderr.strip().splitlines()[-1]}")
    return KATEX / "node_modules" / "katex"


def refused(katex: Path, bodies: list[tuple[str, bool]]) -> list[str]:
    command = ["node", "-e", RENDER, katex]
    done = subprocess.run(
        command, input=json.dumps(bodies), capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


def test_katex_in_strict_mode_takes_every_formula(katex):
    every = [formula for path in DOCUMENTS for text in texts(path) for formula in formulas(text)]
    assert len(every) > 500
    assert not refused(katex, every)


@pytest.mark.parametrize("body", [r"\nosuch", "é", r"\frac{a}", r"\mathbb{é}", "a % b"])
def test_katex_refuses_what_is_wrong(katex, body):
    assert refused(katex, [(body, False)])
