"""Which exercises a learner has solved, in a file of their own if they want one.

``checks.progress(keep=True)`` makes ``progress.json`` in the working folder, beside the notebooks.
While it lies there, each check that says *Correct* adds its name and the day.  Nothing is sent
anywhere, and deleting the file ends it.
"""

import datetime
import json
import os
import re
import sys
from pathlib import Path

FILE = Path("progress.json")
_PACKAGE = "qdvae_helpers.checks"
_UNUSABLE = (OSError, ValueError, RecursionError)  # the last for brackets within brackets


def progress(keep: bool = False) -> None:
    """Print what is solved and what is open, lesson by lesson.

    Args:
        keep: begin to keep it from now on.
    """
    try:
        if keep and not FILE.exists():
            FILE.write_text("{}\n", "utf-8")
        done = _read()
    except _UNUSABLE as error:
        print(f"{FILE} cannot be used ({error}); move it away, then call this again.")
        return
    if done is None:
        print("Nothing is kept yet: checks.progress(keep=True) starts that.")
        return
    for lesson, names in sorted(_exercises().items()):
        open_ = [name for name in names if name not in done]
        solved = len(names) - len(open_)
        still = f", still open: {', '.join(open_)}" if solved and open_ else ""
        print(f"lesson {lesson}: {solved} of {len(names)} solved{still}")


def note(name: str) -> None:
    """Keep that an exercise is solved, where a file for it lies; say nothing, whatever happens."""
    try:
        done = _read()
        if done is None or name in done or _is_solution():
            return
        done[name] = datetime.datetime.now(datetime.UTC).date().isoformat()
        part = FILE.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(done, indent=1) + "\n", "utf-8")
        part.replace(FILE)
    except _UNUSABLE:
        return  # the verdict counts; `progress` says what is wrong with the file


def _read() -> dict[str, str] | None:
    """What the file holds, ``None`` where there is none."""
    if not FILE.exists():
        return None
    if not FILE.is_file():
        raise ValueError("it is a folder or another special file")
    if FILE.stat().st_size > 100_000:
        raise ValueError("it is too large to be ours")
    done = json.loads(FILE.read_text("utf-8"))
    if not isinstance(done, dict) or not all(isinstance(day, str) for day in done.values()):
        raise ValueError("it holds something else")
    return done


def _is_solution() -> bool:
    """Whether the cell that runs is the solution that we wrote."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    cells = shell.user_ns.get("In", [""]) if shell else [""]
    return "_solution" in str(cells[-1])


def _exercises() -> dict[str, list[str]]:
    """Names of the checks of each lesson, in the order of their files."""
    found: dict[str, list[str]] = {}
    for name, check in vars(sys.modules[_PACKAGE]).items():
        module = sys.modules.get(getattr(check, "__module__", ""), None)
        lesson = re.match(r"Checks of lesson (\d\d)", getattr(module, "__doc__", None) or "")
        if lesson and callable(check):
            found.setdefault(lesson[1], []).append(name)
    return found
