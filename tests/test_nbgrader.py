"""The whole plain path through nbgrader, on the section: the points are the ones we give."""

import csv
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT, course

from autograder.authoring import reference
from autograder.authoring.course import Exercise
from autograder.authoring.notebook import render, solved, stub
from autograder.authoring.reference import Attempt
from autograder.grading import demo, gradebook
from autograder.results import total

SECTION = "02_normalization"
EXERCISES = course().select(SECTION)


def right(exercise: Exercise) -> Attempt:
    return Attempt("reference")


def wrong(exercise: Exercise) -> Attempt:
    """In each solution cell the first mistake that there is for it."""
    return _each_cell(exercise, lambda number: True)


def half_right(exercise: Exercise) -> Attempt:
    """A mistake in every other solution cell."""
    return _each_cell(exercise, lambda number: number % 2 == 1)


def untouched(exercise: Exercise) -> Attempt:
    notebook = render(exercise)
    cells = [cell for cell in notebook.cells if reference.is_solution(cell)]
    return Attempt("stub", "", {cell.id: stub(cell.source) for cell in cells})


def _each_cell(exercise: Exercise, is_wrong: Callable[[int], bool]) -> Attempt:
    notebook = render(exercise)
    known = [a for a in reference.attempts(exercise, notebook) if a.kind == "mistake"]
    chosen = []
    for number, cell in enumerate(c for c in notebook.cells if reference.is_solution(c)):
        fitting = [a for a in known if a.sources and cell.id in a.sources]
        if fitting and is_wrong(number):
            chosen.append(fitting[0])
    return demo.merge(chosen)


@pytest.fixture
def term(tmp_path: Path) -> Path:
    """The committed course in a folder of its own, as an instructor has it at the term's start."""
    shutil.copytree(ROOT / "source" / SECTION, tmp_path / "source" / SECTION)
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    return tmp_path


@pytest.mark.parametrize("work", [right, wrong, half_right, untouched], ids=lambda f: f.__name__)
def test_nbgrader_gives_the_points_that_we_give(
    term: Path, work: Callable[[Exercise], Attempt]
) -> None:
    gradebook.generate(term, SECTION)
    for exercise in EXERCISES:
        demo.hand_in(term, "ada", exercise, work(exercise))
    points = gradebook.grade_plainly(term, SECTION, "ada")
    for exercise in EXERCISES:
        outcomes = reference.run(render(exercise), work(exercise))
        ours, there_are = total(o.result for o in outcomes)
        theirs = sum(v for k, v in points.items() if k.startswith(f"{exercise.path.stem}/"))
        assert theirs == ours, exercise.id
        assert ours == {right: there_are, untouched: 0}.get(work, ours)
    pages = list((term / "feedback/ada" / SECTION).glob("*.html"))
    assert len(pages) == len(EXERCISES)
    for exercise, page in zip(EXERCISES, sorted(pages), strict=True):
        assert hidden_lines_in(page.read_text("utf-8"), exercise, work(exercise)) == []


def hidden_lines_in(page: str, exercise: Exercise, attempt: Attempt) -> list[str]:
    """Lines of hidden checks that feedback shows, though the student wrote nothing like them."""
    text = re.sub(r"<[^>]+>", "", page)
    for code, sign in {"&quot;": '"', "&#39;": "'", "&lt;": "<", "&gt;": ">", "&amp;": "&"}.items():
        text = text.replace(code, sign)
    given = "\n".join(c.source for c in exercise.cells if c.role in ("", "check", "exercise"))
    given += "\n".join((attempt.sources or {}).values())
    own = "\n".join(c.source for c in exercise.of("solution"))
    lines = {
        line.strip()
        for cell in exercise.of("hidden")
        for line in cell.source.splitlines()
        # What messages say is for students to read; calls that produce them are not.
        if len(line.strip()) > 24 and not line.strip().startswith(("when=", "think=", '"', 'f"'))
    }
    return [line for line in lines if line in text and line not in given + own]


def test_the_readme_s_nbgrader_commands_work_as_typed(term: Path) -> None:
    """generate_assignment, autograde, generate_feedback and export, in a shell."""
    (exercise,) = [e for e in EXERCISES if e.name == "batch_norm_forward"]
    for path in (term / "source" / SECTION).glob("*.ipynb"):
        if path.stem != exercise.path.stem:
            path.unlink()
    bin_folder = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}

    def nbgrader(*words: str) -> None:
        subprocess.run(
            [bin_folder / "nbgrader", *words],
            cwd=term, env=environment, check=True, capture_output=True,
        )  # fmt: skip

    nbgrader("generate_assignment", SECTION)
    mistake = reference.attempts(exercise, render(exercise))[-1]
    demo.hand_in(term, "ada", exercise, mistake)
    nbgrader("autograde", SECTION)
    nbgrader("generate_feedback", SECTION)
    nbgrader("export")
    ours, there_are = total(o.result for o in reference.run(render(exercise), mistake))
    assert sum(gradebook.points(term, SECTION, "ada").values()) == ours < there_are
    (exported,) = csv.DictReader((term / "grades.csv").read_text("utf-8").splitlines())
    assert (float(exported["score"]), float(exported["max_score"])) == (ours, there_are)
    page = (term / f"feedback/ada/{exercise.id}.html").read_text("utf-8")
    assert "Think:" in page
    assert "_reference" not in page


def small_notebook(term: Path, source: str) -> Exercise:
    """The exercise on the batch norm forward pass, handed in with one solution cell."""
    (exercise,) = [e for e in EXERCISES if e.name == "batch_norm_forward"]
    for path in (term / "source" / SECTION).glob("*.ipynb"):
        if path.stem != exercise.path.stem:
            path.unlink()
    gradebook.generate(term, SECTION)
    cell = next(c for c in render(exercise).cells if reference.is_solution(c))
    code = f"{solved(cell.source)}\n{source}"
    demo.hand_in(term, "ada", exercise, Attempt("mixed", "", {cell.id: code}))
    return exercise


def test_warnings_and_progress_bars_cost_no_points(term: Path) -> None:
    loud = (
        "import sys, warnings\n"
        "_quiet = manual_batch_norm\n"
        "def manual_batch_norm(*args, **kwargs):\n"
        "    warnings.warn('an old habit')\n"
        "    print('50%|#####', file=sys.stderr)\n"
        "    return _quiet(*args, **kwargs)\n"
    )
    exercise = small_notebook(term, loud)
    points = gradebook.grade_plainly(term, SECTION, "ada")
    _, there_are = total(o.result for o in reference.run(render(exercise)))
    assert sum(points.values()) == there_are


def test_feedback_of_a_crash_quotes_no_hidden_check(term: Path) -> None:
    small_notebook(term, "def manual_batch_norm(*args, **kwargs):\n    return args[17]\n")
    points = gradebook.grade_plainly(term, SECTION, "ada")
    assert sum(points.values()) == 0
    page = (term / f"feedback/ada/{SECTION}/03_batch_norm_forward.html").read_text("utf-8")
    assert "IndexError: tuple index out of range" in page
    assert "manual_seed" not in page
    assert "_reference" not in page


def test_a_deleted_check_is_put_back(term: Path) -> None:
    exercise = small_notebook(term, "")
    path = term / f"submitted/ada/{exercise.id}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [c for c in notebook.cells if "eps-is-added" not in c.id]
    nbformat.write(notebook, path)
    points = gradebook.grade_plainly(term, SECTION, "ada")
    _, there_are = total(o.result for o in reference.run(render(exercise)))
    assert sum(points.values()) == there_are
