"""The door to nbgrader's grading: its settings, its runs, the points in its gradebook."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbformat.warnings import MissingIDFieldWarning
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde, GenerateAssignment, GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import (
    ClearHiddenTests,
    ClearMarkScheme,
    GetGrades,
    NbGraderPreprocessor,
)
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

from autograder.authoring.build import QUIET, release_preprocessors

COURSE = "training-deep-networks"
# nbgrader starts the program `alembic` by its name alone, so the environment's own must be found.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
CELL_TIMEOUT = 60  # seconds; a whole graded notebook takes at most 20 on two cores


class HideTracebacks(NbGraderPreprocessor):  # type: ignore[misc]
    """Leave the last line of each error in the feedback: a traceback quotes hidden checks."""

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> tuple[Any, Any]:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                name, message = output.ename, output.evalue
                taught = name in ("Mistake", "NotImplementedError")
                if name == "NotImplementedError":
                    message = f"Not attempted yet: {message}"
                output.traceback = (message if taught else f"{name}: {message}").splitlines()
        return cell, resources


def configure(config: Config) -> Config:
    """nbgrader's settings for a course of ours."""
    config.CourseDirectory.course_id = COURSE
    config.GenerateAssignment.preprocessors = release_preprocessors()
    # A warning or a progress bar on stderr is not a wrong answer; nbgrader would take all points.
    config.IgnorePattern.enabled = True
    config.IgnorePattern.pattern = r"[\s\S]*"
    config.Execute.timeout = CELL_TIMEOUT
    config.Execute.extra_arguments = ["--HistoryManager.hist_file=:memory:", "--log-level=ERROR"]
    # A check that a student deleted counts like one that is there.
    config.OverwriteCells.add_missing_cells = True
    # Feedback shows what the student wrote and read, never a hidden check or a mark scheme.
    config.GenerateFeedback.preprocessors = [
        GetGrades,
        ClearHiddenTests,
        ClearMarkScheme,
        HideTracebacks,
        CSSHTMLHeaderPreprocessor,
    ]
    return config


@contextmanager
def _without_warnings() -> Iterator[None]:
    """nbgrader 0.9 triggers warnings of newer libraries that say nothing to its users."""
    with catch_warnings():
        simplefilter("ignore", SAWarning)
        simplefilter("ignore", MissingIDFieldWarning)
        yield


def generate(root: Path, section: str) -> None:
    """Release a section and register it in the gradebook: `nbgrader generate_assignment`."""
    with _without_warnings():
        GenerateAssignment(**_directory(root, section), log=QUIET).start()


def grade_plainly(root: Path, section: str, student: str) -> dict[str, float]:
    """`nbgrader autograde` and `generate_feedback` for one student; the points by cell."""
    with _without_warnings():
        Autograde(**_directory(root, section, student), log=QUIET).start()
        GenerateFeedback(**_directory(root, section, student), log=QUIET).start()
    return points(root, section, student)


def points(root: Path, section: str, student: str) -> dict[str, float]:
    """The points in the gradebook, by `notebook/cell`."""
    with Gradebook(f"sqlite:///{root.resolve()}/gradebook.db", COURSE) as book:
        try:
            submission = book.find_submission(section, student)
        except MissingEntry:
            return {}
        return {
            f"{notebook.name}/{grade.name}": grade.score or 0.0
            for notebook in submission.notebooks
            for grade in notebook.grades
        }


def _directory(root: Path, section: str, student: str = "*") -> dict[str, Any]:
    config = configure(Config())
    config.CourseDirectory.root = str(root.resolve())
    config.CourseDirectory.assignment_id = section
    config.CourseDirectory.student_id = student
    config.GenerateAssignment.force = config.Autograde.force = config.GenerateFeedback.force = True
    return {"coursedir": CourseDirectory(config=config), "config": config}
