"""The files around the code agree with each other."""

import ast
import importlib.metadata
import json
import pydoc
import re
import subprocess
import sys
import tomllib
import unicodedata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from qdvae_helpers.profiles import PROFILES
from qdvae_helpers.samplers import _MAKERS
from qdvae_helpers.training import TrainConfig

ROOT = Path(__file__).resolve().parent.parent
CONDA_NAMES = {"pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def requirements(project) -> dict[str, Requirement]:
    everything = project["dependencies"] + project["optional-dependencies"]["dev"]
    return {canonicalize_name(Requirement(r).name): Requirement(r) for r in everything}


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if "==" in line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def test_every_dependency_is_pinned_inside_its_range(requirements):
    versions = pinned()
    for name, requirement in requirements.items():
        assert requirement.specifier.contains(versions[name]), name


def test_colabs_versions_satisfy_the_ranges_and_a_broken_pair_does_not(requirements):
    colab = {"torch": "2.11.0", "torchvision": "0.26.0", "numpy": "2.1.3", "ipywidgets": "7.7.1"}
    for name, version in colab.items():
        assert requirements[name].specifier.contains(version), name
    for broken in ("2.13.0", "2.13.0+cpu"):
        assert not requirements["torch"].specifier.contains(broken)


def test_the_conda_environment_names_the_same_packages_and_ranges(project):
    text = (ROOT / "environment.yml").read_text()
    entries = re.findall(r"^\s+- ([a-z][\w-]*[<>=!][^\s]*)$", text, re.MULTILINE)
    conda = {}
    for entry in entries:
        name, specifier = re.match(r"([\w-]+)(.*)", entry).groups()
        conda[CONDA_NAMES.get(name, name)] = specifier
    conda.pop("python")
    ours = {Requirement(r).name: str(Requirement(r).specifier) for r in project["dependencies"]}
    assert set(conda) == set(ours)
    for name, specifier in ours.items():
        assert set(conda[name].split(",")) == set(specifier.split(",")), name


def test_every_library_that_the_helpers_import_is_declared(project, requirements):
    providers = importlib.metadata.packages_distributions()
    extra = {Requirement(r).name for r in project["optional-dependencies"]["studio"]}
    its_files = {"studio_app.py", "studio_guard.py", "studio_opening.py"}
    # Also: Colab's own, a name that many share, and what doctor asks before all is installed.
    others = {"qdvae_helpers", "google", "dwave", "pip"}
    seen = set()
    for path in (ROOT / "qdvae_helpers").rglob("*.py"):
        named = {name.partition(".")[0] for name in imports_of(path)}
        seen |= named
        for name in named - set(sys.stdlib_module_names) - others:
            declared = {canonicalize_name(provider) for provider in providers[name]}
            allowed = {*requirements, *(extra if path.name in its_files else ())}
            assert declared & allowed, f"{path.name}: {name}"
    assert {"torch", "psutil", "IPython", "tornado"} <= seen


def imports_of(path: Path) -> set[str]:
    """Modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module)
    return found


def test_every_tool_for_the_tests_is_used():
    """A marker or a plugin that nothing uses is declared for nothing."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py"))
    for marker in settings.get("markers", []):
        assert f"pytest.mark.{marker.partition(':')[0]}" in tests
    if "pytest-cov" in pinned():
        assert "--cov" in (ROOT / "Makefile").read_text()


def test_binder_uses_the_same_file():
    assert (ROOT / "binder" / "environment.yml").resolve() == ROOT / "environment.yml"


def test_importing_the_package_loads_no_heavy_library():
    code = "import qdvae_helpers, sys; print({'torch', 'dwave', 'numpy'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_the_names_to_begin_with_come_from_the_package_itself():
    import qdvae_helpers
    from qdvae_helpers import load_images, load_pretrained, make_sampler
    from qdvae_helpers.checkpoints import load_pretrained as the_same

    assert load_pretrained is the_same
    assert {load_images.__name__, make_sampler.__name__} < set(dir(qdvae_helpers))
    with pytest.raises(AttributeError, match="has no attribute 'load_model'"):
        _ = qdvae_helpers.load_model


def test_every_public_name_has_a_docstring():
    for path in (ROOT / "qdvae_helpers").rglob("*.py"):
        tree = ast.parse(path.read_text())
        name = path.relative_to(ROOT)
        assert ast.get_docstring(tree), name
        for node in public(tree):
            assert ast.get_docstring(node), f"{name}: {node.name}"
            for method in public(node) if isinstance(node, ast.ClassDef) else []:
                assert ast.get_docstring(method), f"{name}: {node.name}.{method.name}"


def public(node: ast.Module | ast.ClassDef) -> list[ast.FunctionDef | ast.ClassDef]:
    """The functions and classes in it that anyone may use; a property counts once."""
    found = [n for n in node.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    setters = [
        n for n in found if any(ast.unparse(d).endswith(".setter") for d in n.decorator_list)
    ]
    return [n for n in found if not n.name.startswith("_") and n not in setters]


@pytest.fixture(scope="module")
def glossary() -> str:
    return (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")


def plain(term: str) -> str:
    """What a term is sorted by: letters without accents, digits, spaces."""
    letters = unicodedata.normalize("NFKD", term.casefold())
    return "".join(c for c in letters if c.isalnum() or c == " ")


def test_the_glossary_is_sorted_under_its_letters(glossary):
    headings = re.findall(r"^(##|###) (.+)$", glossary, re.MULTILINE)
    terms = [plain(text) for level, text in headings if level == "###"]
    assert len(terms) > 60
    assert terms == sorted(set(terms))
    letter = None
    for level, text in headings:
        letter = text if level == "##" else letter
        assert plain(text)[0].upper() == letter, text


def test_the_glossarys_links_lead_somewhere(glossary):
    targets = set(re.findall(r"\]\(([^)\s]+)\)", glossary))
    assert targets
    for target in targets:
        assert (ROOT / "docs" / target).is_file(), target


def test_every_term_names_its_lesson_and_the_code_it_names_exists(glossary):
    for entry in re.split(r"^### ", glossary, flags=re.MULTILINE)[1:]:
        term = entry.splitlines()[0]
        last = re.search(r"^(Lessons? \[|Background).*$", entry, re.MULTILINE)
        assert last, term
        for name in re.findall(r"`([\w.]+)`", last[0]):
            found = pydoc.locate(f"qdvae_helpers.{name}") or pydoc.locate(name)
            assert found is not None, f"{term}: {name}"


def messages_of_the_package() -> list[str]:
    """Every piece of text in the helpers' code; strings in several lines come as one."""
    found = []
    for path in (ROOT / "qdvae_helpers").rglob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text()))
        found += [
            n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)
        ]
    return found


def test_the_errors_in_troubleshooting_are_the_programs_own():
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    quotes = re.findall(r"^> (.+)$", text, re.MULTILINE)
    assert len(quotes) >= 15
    messages = messages_of_the_package()
    for quote in quotes:
        for piece in filter(None, re.split(r"\s*…\s*", quote)):
            if len(piece) > 2:
                assert any(piece in message for message in messages), piece


def test_the_readmes_map_has_every_lesson_with_its_minutes():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| \[.+?\]\(notebooks/(\w+\.ipynb)\) \|[^|]*\| (\d+) \|", text, re.M))
    assert list(rows) == sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    for name, minutes in rows.items():
        first = json.loads((ROOT / "notebooks" / name).read_text("utf-8"))["cells"][0]["source"]
        time = re.search(r"^\*\*Time:\*\*.*$", "".join(first), re.MULTILINE)[0]
        total = sum(map(int, re.findall(r"(\d+) minutes?", time)))
        assert abs(total - int(minutes)) <= 10, f"{name}: {total} minutes"


def test_hours_of_a_course_are_the_sum_of_its_minutes():
    readme = (ROOT / "README.md").read_text("utf-8")
    minutes = map(int, re.findall(r"^\| \[.+?\]\(notebooks/.+?\|[^|]*\| (\d+) \|", readme, re.M))
    hours = round(sum(minutes) / 60)
    assert f"some {hours} hours" in readme
    assert f"about {hours} hours" in (ROOT / "docs" / "teaching.md").read_text("utf-8")


def test_the_page_on_settings_names_every_variable_sampler_and_profile():
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    code = "\n".join(p.read_text("utf-8") for p in (ROOT / "qdvae_helpers").rglob("*.py"))
    for variable in {*re.findall(r"\bQDVAE_[A-Z_]+", code), "DWAVE_API_TOKEN"}:
        assert f"| `{variable}` |" in text
    for kind in _MAKERS:
        assert f"| `{kind}` |" in text
    for name, profile in PROFILES.items():
        assert f"| `{name}` | {profile.n_spins} | {profile.steps:,} |" in text


def test_the_page_on_qpus_counts_the_calls_of_lesson_05():
    page = (ROOT / "docs" / "qpu.md").read_text(encoding="utf-8")
    cells = json.loads((ROOT / "notebooks" / "05_training_the_qdvae.ipynb").read_text("utf-8"))
    code = "\n".join("".join(cell["source"]) for cell in cells["cells"])
    profile = PROFILES["lesson"]
    pause = TrainConfig.for_profile(profile, "qpu").sample_every
    in_lesson = int(re.search(r'long_steps = .*"lesson": ([\d_]+)', code)[1])
    for steps in (in_lesson, profile.steps):
        row = rf"^\|.*\({steps:,} steps.* \| {steps // pause} \| {profile.num_samples} \|"
        assert re.search(row, page, re.MULTILINE), steps


DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *(ROOT / name / "README.md" for name in ("data", "benchmarks")),
    *sorted((ROOT / "docs").glob("*.md")),
]


def anchors(page: Path) -> set[str]:
    """What a link to a heading of this page may name after its ``#``."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_of_the_documents_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)", text):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        page = path.parent / target if target else path
        assert page.exists(), link
        assert not anchor or anchor in anchors(page), link


GUIDE = (ROOT / "docs" / "instructor-guide.md").read_text(encoding="utf-8")


def headings_of_lessons() -> dict[str, list[str]]:
    """The headings of each lesson below its title, in order, by its two digits."""
    found = {}
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        prose = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
        found[path.name[:2]] = re.findall(r"^##+ (.+)$", prose, re.MULTILINE)
    return found


def rows_of_the_plans() -> list[tuple[str, str]]:
    """Lesson, and what the guide says of it: rows of plans A and B, slots of plan C."""
    rows = re.findall(r"^\| [\d:–]+ \| (\d\d), (.+?) \|$", GUIDE, re.MULTILINE)
    two_days = GUIDE.partition("## Plan C")[2].partition("## Common")[0]
    slots = re.findall(r"\| \d+:\d\d–\d+:\d\d \| (\d\d)(?=[ ,:])([^|]*)", two_days)
    assert len(rows) > 25
    assert len(slots) > 10
    return rows + slots


def test_the_instructor_guide_names_sections_that_exist():
    """Every lesson and section of the plans; a renamed heading must not strand an instructor."""
    headings = headings_of_lessons()
    for lesson, named in rows_of_the_plans():
        for section in re.findall(r"(?<!\w)\*(.+?)\*", named.partition(" | ")[0]):
            assert any(h.startswith(section) for h in headings[lesson]), f"{lesson}: {section}"


def test_the_instructor_guide_names_exercises_with_their_minutes():
    """A lesson that gets, loses or moves an exercise must not send a room to another one."""
    headings = headings_of_lessons()
    timed = 0
    for lesson, said in rows_of_the_plans():
        own = re.findall(r"Exercise (\d+) \(\S+, (\d+) minutes\)", "\n".join(headings[lesson]))
        minutes = {int(number): int(length) for number, length in own}
        for numbers in re.findall(r"[Ee]xercises? (\d(?:(?:, | and | to )\d)*)", said):
            for number in map(int, re.findall(r"\d", numbers)):
                assert number in minutes, f"{lesson}: exercise {number}"
        for numbers, length in re.findall(
            r"[Ee]xercises? ([\d and]+) \((\d+) minutes(?: each)?\)", said
        ):
            for number in map(int, re.findall(r"\d", numbers)):
                assert minutes[number] == int(length), f"{lesson}: exercise {number}"
                timed += 1
    assert timed > 8


def test_every_test_that_a_promise_names_is_there():
    """A name in ``docs/promises.md`` that begins with two colons is of the file named last."""
    text = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)?(?:::(\w+))?`", text)
    named = [(file, name) for file, name in named if file or name]
    assert len(named) > 40
    last = ""
    for file, name in named:
        last = file or last
        assert not name or f"def {name}(" in (ROOT / last).read_text(encoding="utf-8"), name
        assert (ROOT / last).is_file(), last
