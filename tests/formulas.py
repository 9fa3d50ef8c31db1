"""Formulas in Markdown as every viewer takes them: GitHub, JupyterLab, VS Code, and the site.

GitHub is the narrow one.  It renders a page as plain Markdown first and then looks for dollars in
what is left, so Markdown may take a formula apart: it eats a backslash before punctuation, and
reads emphasis, links and tags into it.  ``faults`` does the same, with a CommonMark parser, and
compares; it also knows the macros that GitHub refuses, and what stands around a dollar.
"""

import re

from markdown_it import MarkdownIt

# What we use, and GitHub's MathJax, KaTeX and the site's MathJax all know without an extension.
# GitHub refuses \operatorname, \newcommand, \href, \phantom and others; put a macro here when you
# have seen it on GitHub and in VS Code.
_MACROS = """
Big Delta Vert approx ast bar begin beta big cdot chi cos cosh cr delta dots ell end enspace exp
frac ge gt hat in infty int lVert lambda langle lbrace le left log lt mathbb mathrm mathsf max mid
min mu nabla ne omega oplus overline partial pi pm prod propto psi qquad quad rVert rangle rbrace
rho right sigma sim sin sqrt sum tanh tau text textstyle tfrac theta times to top underbrace
varepsilon varphi
"""
MACROS = set(_MACROS.split())
WIDE = {  # character -> what to write
    "<": r"\lt",
    ">": r"\gt",
    "*": r"\ast",
    "~": r"\enspace",
    "%": "a word",
    "#": "a word",
    "`": "nothing of the kind",
    "$": "the text without a formula in it",
}

_CODE = re.compile(r"^(```|~~~).*?^\1|(`+)(?!`).*?(?<!`)\2(?!`)", re.DOTALL | re.MULTILINE)
_FORMULA = re.compile(r"\$\$(?P<display>.+?)\$\$|\$(?P<inline>[^$\n]+?)\$", re.DOTALL)
_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def without_code(text: str) -> str:
    """The text with as many blanks in the place of code."""
    return _CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def formulas(text: str) -> list[tuple[str, bool]]:
    """Every formula of a Markdown text, and whether it is displayed in lines of its own."""
    found = _FORMULA.finditer(without_code(text))
    return [(match["display"] or match["inline"], match["display"] is not None) for match in found]


def _survivors(text: str) -> str:
    """What plain Markdown leaves of a text in one piece; a mark where markup parts it."""
    pieces = []
    for token in _PARSER.parse(text):
        depth = 0
        for child in token.children or []:
            depth += {"link_open": 1, "link_close": -1}.get(child.type, 0)
            if child.type == "softbreak":
                pieces.append("\n")
            elif child.type == "text" and depth == 0:
                pieces.append(child.content)
            else:
                pieces.append("\x00")
        pieces.append("\x00")
    return "".join(pieces)


def faults(text: str) -> list[str]:
    """Every formula that some viewer would not show, with what to write instead."""
    found = []
    plain = without_code(text)
    if re.search(r"^ *(```|~~~) *math\b", text, re.MULTILINE):
        found.append("```math: only GitHub and GitLab know it, write $$...$$")
    if re.search(r"\\\(.+?\\\)|\\\[.+?\\\]", plain, re.DOTALL):
        found.append(r"\(...\) and \[...\]: GitHub does not know them, write $...$")
    for match in re.finditer(r"(?<!\\)\$", _FORMULA.sub(lambda m: "." * len(m[0]), plain)):
        found.append(f"a dollar without its partner: {plain[match.start() - 20 :][:40]!r}")

    left = _survivors(text)
    at = 0
    for match in _FORMULA.finditer(plain):
        body = match["display"] or match["inline"]
        for fault in _faults_inside(body):
            found.append(f"{match[0]!r}: {fault}")
        if fault := _fault_around(plain, match):
            found.append(f"{match[0]!r}: {fault}")
        # Inside a list the lines of a formula are indented; Markdown drops that.
        place = re.compile(r"\s+".join(map(re.escape, match[0].split()))).search(left, at)
        if place is None:
            found.append(f"{match[0]!r}: Markdown takes it apart, or it stands in HTML or a link")
        else:
            at = place.end()
    return found


def _faults_inside(body: str) -> list[str]:
    found = []
    if not body.strip():
        found.append("only GitHub and GitLab know $`...`$, write $...$")
    for macro in re.findall(r"\\([a-zA-Z]+)", body):
        if macro not in MACROS:
            found.append(f"\\{macro} is not among the macros that all viewers are known to take")
    for sign in re.findall(r"\\([^a-zA-Z ])", body):
        found.append(f"GitHub eats the backslash of \\{sign!s}: \\lbrace, \\Vert, or leave it out")
    for sign, instead in WIDE.items():
        if sign in body:
            found.append(f"{sign} is Markdown, HTML or TeX of its own: write {instead}")
    if not body.isascii():
        found.append("KaTeX warns of letters that TeX has no sign for: write a macro")
    if body.count("{") != body.count("}") or body.count(r"\left") != body.count(r"\right"):
        found.append("braces, or left and right, do not pair")
    return found


def _fault_around(plain: str, match: re.Match) -> str | None:
    before, after = plain[: match.start()][-1:], plain[match.end() :][:1]
    if match["display"] is not None:
        alone = re.search(r"(^|\n)[ >]*$", plain[: match.start()])
        if not alone or not re.match(r" *(\n|$)", plain[match.end() :]):
            return "a displayed formula has lines of its own"
        return None
    if before not in ("", " ", "\n", "("):
        return f"GitHub sees no formula after {before!r}"
    if after.isalnum() or after in ("_", "*", "$", "\\", "`"):
        return f"GitHub sees no end before {after!r}"
    if match["inline"] != match["inline"].strip():
        return "no blank inside the dollars"
    return None
