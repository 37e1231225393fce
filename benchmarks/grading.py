"""How fast the sealed grader is, beside plain nbgrader: `make bench`.

Everything is a ratio of times measured in one run on one machine; on a busy one the times grow,
the ratios hardly do. What is asserted is that both give the same scores.
"""

import argparse
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from autograder.authoring.build import build
from autograder.authoring.course import read_course
from autograder.authoring.notebook import render
from autograder.authoring.reference import Attempt, attempts
from autograder.grading import gradebook
from autograder.grading.grade import Grading
from autograder.grading.options import Options

ROOT = Path(__file__).resolve().parent.parent
SECTION = "02_normalization"
EXERCISE = f"{SECTION}/03_batch_norm_forward"
CELL = 0.4  # seconds of work in the cells of the second class


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=100, help="in the class (default: 100)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", choices=("class", "overhead", "cells", "memory"))
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    parts: dict[str, Callable[[Path, int, int], Iterable[str]]] = {
        "class": beside_nbgrader,
        "overhead": overhead,
        "cells": cells,
        "memory": memory,
    }
    for name, part in parts.items():
        if arguments.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                for line in part(Path(folder), arguments.students, arguments.workers):
                    print(line, flush=True)


def beside_nbgrader(root: Path, students: int, workers: int) -> Iterable[str]:
    """The same class, graded twice."""
    shutil.copytree(ROOT / "solutions" / SECTION, root / "solutions" / SECTION)
    shutil.copy(ROOT / "nbgrader_config.py", root)
    for path in (root / "solutions" / SECTION).glob("*.py"):
        if path.stem != EXERCISE.partition("/")[2]:
            path.unlink()
    build(root)
    exercise = read_course(root / "solutions").exercises[0]
    notebook = render(exercise)
    known = [a for a in attempts(exercise, notebook) if a.kind != "stub"]
    drawn = itertools.islice(itertools.cycle(known), students)
    release = nbformat.read(root / "release" / f"{exercise.id}.ipynb", as_version=4)
    for number, attempt in enumerate(drawn):
        _hand_in(root, f"s{number:04d}", exercise.id, release, attempt, notebook)
    _run(root, sys.executable, "-m", "nbgrader", "generate_assignment", SECTION, "--force")
    ours = root / "ours"
    ours.mkdir()
    for part in ("source", "submitted", "gradebook.db", "nbgrader_config.py"):
        copy = shutil.copytree if (root / part).is_dir() else shutil.copy
        copy(root / part, ours / part)
    yield f"{students} notebooks:"
    spent = _run(ours, *_command(ours, workers))
    yield f"  autograder grade    {spent:7.1f} s   {spent / students:6.3f} s each"
    plain = _run(root, sys.executable, "-m", "nbgrader", "autograde", SECTION)
    for number in range(students):
        mine, theirs = (gradebook.points(r, SECTION, f"s{number:04d}") for r in (ours, root))
        assert mine == theirs, f"s{number:04d}: {mine} here, {theirs} by nbgrader"
    yield f"  nbgrader autograde  {plain:7.1f} s   {plain / students:6.3f} s each"
    yield f"  ratio               {plain / spent:7.1f}, and the same scores by both"


def overhead(root: Path, students: int, workers: int) -> Iterable[str]:
    """A notebook that does nothing."""
    _small(root, "pass", students)
    spent, _, isolation = _graded(root, 1)
    yield f"overhead of a notebook that does nothing, one worker, {isolation}:"
    yield f"  {spent / students:.3f} s each (start-up apart)"


def cells(root: Path, students: int, workers: int) -> Iterable[str]:
    """Cells that compute for a while."""
    work = (
        "import time\n"
        f"until = time.process_time() + {CELL}\n"
        "while time.process_time() < until:\n    pass"
    )
    _small(root, work, students)
    began = time.monotonic()
    for _ in range(5):
        exec(work, {})
    pure = (time.monotonic() - began) / 5 * students
    yield f"{students} notebooks whose cells compute {CELL} s each; alone they take {pure:.1f} s:"
    for number in sorted({1, workers}):
        for made in ("autograded", "feedback", "gradebook.db"):
            path = root / made
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        spent, _, _ = _graded(root, number)
        bound = pure / number
        yield f"  {number} worker(s): {spent:6.1f} s, {spent / bound:.2f} of cells / workers"


def memory(root: Path, students: int, workers: int) -> Iterable[str]:
    """The grader's own peak, by the size of the class."""
    yield "peak memory of the grading process:"
    for size in (20, 200):
        course = root / str(size)
        _small(course, "pass", size)
        process = subprocess.Popen(
            _command(course, workers, "hw"), cwd=ROOT, stdout=subprocess.DEVNULL
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        yield f"  {size:4d} submissions: {used.ru_maxrss / 1024:6.0f} MB"


def _hand_in(
    root: Path,
    student: str,
    exercise: str,
    release: nbformat.NotebookNode,
    attempt: Attempt,
    notebook: nbformat.NotebookNode,
) -> None:
    solved = {c.id: c.source for c in notebook.cells}
    solved |= attempt.sources or {}
    handed = nbformat.from_dict(release)
    for cell in handed.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = solved[cell.id]
    path = root / "submitted" / student / f"{exercise}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(handed, path)


def _small(root: Path, work: str, students: int) -> None:
    """A course of one solution and one check."""

    def marks(name: str, **more: object) -> dict[str, object]:
        return {"nbgrader": {"grade_id": name, "grade": False, "solution": False, "locked": False,
                             "task": False, "schema_version": 3, **more}}  # fmt: skip

    notebook = new_notebook(
        cells=[
            new_code_cell(work, metadata=marks("work", solution=True), id="work"),
            new_code_cell(
                "pass", metadata=marks("check", grade=True, locked=True, points=1), id="check"
            ),
        ],
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}
        },
    )
    for path in [root / "source", *(root / "submitted" / f"s{n:04d}" for n in range(students))]:
        (path / "hw").mkdir(parents=True)
        nbformat.write(notebook, path / "hw" / "hw.ipynb")


def _graded(root: Path, workers: int) -> tuple[float, int, str]:
    """The seconds that grading takes once everything is warm."""
    with Grading(root, "hw", Options(workers=workers)) as grading:
        began = time.monotonic()
        states = [outcome.state for outcome in grading]
        spent = time.monotonic() - began
        assert set(states) == {"graded"}, states
        return spent, len(states), grading.isolation


def _command(root: Path, workers: int, assignment: str = SECTION) -> list[str]:
    return [
        sys.executable, "-m", "autograder", "--course", str(root), "grade", assignment,
        "--workers", str(workers),
    ]  # fmt: skip


def _run(root: Path, *words: str) -> float:
    began = time.monotonic()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return time.monotonic() - began


if __name__ == "__main__":
    main()
