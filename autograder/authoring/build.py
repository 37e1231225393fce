"""Write `source/` from the exercise files, and have nbgrader make `release/` of it."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import ClearSolutions, SaveCells
from nbgrader.utils import is_solution
from traitlets.config import Config

from autograder.authoring import reference
from autograder.authoring.course import TERM, AuthorError, Exercise, read_course
from autograder.authoring.notebook import render, stub
from autograder.files import write_whole

# nbgrader tells of every cell it touches; what a person has to know is an error or a result.
QUIET = logging.getLogger("autograder.nbgrader")
QUIET.setLevel(logging.ERROR)


class WriteStubs(ClearSolutions):  # type: ignore[misc]
    """Take solutions out of the release: a function raises, a value is `...`."""

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> tuple[Any, Any]:
        if is_solution(cell) and cell.cell_type == "code":
            cell.source = stub(cell.source)
            return cell, resources
        done: tuple[Any, Any] = super().preprocess_cell(cell, resources, cell_index)
        return done


def set_seed(root: Path, seed: int) -> None:
    """Choose the variants of all questions for a term."""
    (root / "solutions" / TERM).write_text(f"seed = {seed}\n", encoding="utf-8")


def build(root: Path, what: str | None = None) -> list[Path]:
    """Build the notebooks of a section, an exercise or the whole course below `root`.

    Nothing is written unless every reference passes its own checks.
    """
    course = read_course(root / "solutions")
    exercises = course.select(what)
    notebooks = {e: render(e) for e in exercises}
    for exercise, notebook in notebooks.items():
        _refuse_a_broken_reference(exercise, notebook)
    written = []
    for exercise, notebook in notebooks.items():
        path = root / "source" / f"{exercise.id}.ipynb"
        write_whole(path, text_of(notebook))
        written.append(path)
    if not what:
        _remove_strangers(root, course.exercises)
    for section in dict.fromkeys(e.section for e in exercises):
        _remove_strangers(root, [e for e in course.exercises if e.section == section], section)
        written += release(root, section)
    return written


def text_of(notebook: nbformat.NotebookNode) -> str:
    """The notebook as it stands on disk: the same bytes for the same notebook."""
    nbformat.validate(notebook)
    return f"{nbformat.writes(notebook)}\n"


def read_notebook(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def release(root: Path, section: str) -> list[Path]:
    """Make the students' notebooks of a section with nbgrader's `generate_assignment`."""
    config = Config()
    config.CourseDirectory.root = str(root.resolve())
    config.CourseDirectory.assignment_id = section
    # The gradebook learns of a section when an instructor generates it, not at every build.
    config.GenerateAssignment.no_database = True
    config.GenerateAssignment.preprocessors = [
        step for step in release_preprocessors() if step is not SaveCells
    ]
    config.GenerateAssignment.force = True
    directory = CourseDirectory(config=config)
    GenerateAssignment(coursedir=directory, config=config, log=QUIET).start()
    return sorted((root / "release" / section).glob("*.ipynb"))


def release_preprocessors() -> list[Any]:
    """nbgrader's own steps, with our stubs."""
    steps = GenerateAssignment().preprocessors
    return [WriteStubs if step is ClearSolutions else step for step in steps]


def _refuse_a_broken_reference(exercise: Exercise, notebook: nbformat.NotebookNode) -> None:
    for outcome in reference.run(notebook):
        if not outcome.result.passed:
            raise AuthorError(
                str(exercise.path),
                f"a reference that fails {outcome.result.aspect!r}:\n{outcome.result.message}",
                "a reference that passes every check of its file",
                f"python {exercise.path} runs it",
            )


def _remove_strangers(root: Path, exercises: Iterable[Exercise], section: str = "") -> None:
    """Remove notebooks, and folders left empty, that no exercise file stands for."""
    known = {e.id for e in exercises}
    for folder in ("source", "release"):
        for path in sorted((root / folder / section).rglob("*.ipynb")):
            if f"{path.parent.name}/{path.stem}" not in known:
                path.unlink()
                if not any(path.parent.iterdir()):
                    path.parent.rmdir()
