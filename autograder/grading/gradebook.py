"""The door to nbgrader's grading: its settings, its runs, the points in its gradebook."""

import copy
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch
from warnings import catch_warnings, simplefilter

import nbformat
import sqlalchemy as sa
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbconvert.preprocessors.sanitize import SanitizeHTML
from nbformat.warnings import MissingIDFieldWarning
from nbgrader import api
from nbgrader.api import Gradebook, InvalidEntry, MissingEntry
from nbgrader.converters import Autograde, GenerateAssignment, GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import (
    AssignLatePenalties,
    ClearHiddenTests,
    ClearMarkScheme,
    ClearSolutions,
    ComputeChecksums,
    GetGrades,
    LockCells,
    NbGraderPreprocessor,
)
from nbgrader.utils import is_grade, is_locked, is_solution, is_task, parse_utc
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SAWarning
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from autograder.authoring.build import QUIET, release_preprocessors

COURSE = "training-deep-networks"
# nbgrader starts the program `alembic` by its name alone, so the environment's own must be found.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
PATIENCE = 120  # seconds to wait for a gradebook that somebody else has locked
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


class SanitizeStudents(SanitizeHTML):  # type: ignore[misc]
    """Take what a browser would run out of what students wrote; the course's own cells may."""

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> tuple[Any, Any]:
        if is_locked(cell):
            return cell, resources
        done: tuple[Any, Any] = super().preprocess_cell(cell, resources, cell_index)
        return done


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
    # Formgrader and feedback show what students wrote; script in it is taken out.
    config.HTMLExporter.preprocessors = [SanitizeStudents]
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


Work = TypeVar("Work")


class GradebookError(Exception):
    """The gradebook cannot be used: why, and what to do."""


def settings(root: Path, assignment: str) -> Config:
    """What the course's own `nbgrader_config.py` says; without one, what we say."""
    file = root / "nbgrader_config.py"
    config = Config()
    if file.is_file():
        try:
            config.merge(PyFileConfigLoader(file.name, path=str(root)).load_config())
        except Exception as error:  # a program of the course's own
            why = f"{file.name} stops with {type(error).__name__}: {error}"
            raise GradebookError(f"{why}. Correct it, then grade again.") from error
    else:
        configure(config)
    config.CourseDirectory.root = str(root.resolve())
    config.CourseDirectory.assignment_id = assignment
    return config


def timestamp(text: str) -> datetime | None:
    """The moment that a `timestamp.txt` tells; None if it tells none."""
    try:
        moment = parse_utc(text.strip())
        return moment if isinstance(moment, datetime) else None
    except (ValueError, OverflowError, TypeError):
        return None


@dataclass(frozen=True)
class Released:
    """A notebook of `source/` as nbgrader's `generate_assignment` keeps it in mind."""

    name: str
    notebook: nbformat.NotebookNode  # as in source/
    stubbed: nbformat.NotebookNode  # without solutions, with hidden checks and checksums
    shown: Mapping[str, str]  # what students got, by grade_id

    @property
    def checksums(self) -> dict[str, str]:
        return {
            c.metadata.nbgrader.grade_id: c.metadata.nbgrader.get("checksum", "")
            for c in self.stubbed.cells
            if "nbgrader" in c.metadata
        }


def released(path: Path, config: Config) -> Released:
    """Read a notebook of `source/` and take out of it what nbgrader would."""
    notebook = nbformat.read(path, as_version=4)
    stubbed = copy.deepcopy(notebook)
    for step in GenerateAssignment(config=config).preprocessors:
        if issubclass(step, LockCells | ClearSolutions | ComputeChecksums):
            stubbed, _ = step(config=config).preprocess(stubbed, {})
    given = copy.deepcopy(stubbed)
    for step in (ClearHiddenTests, ClearMarkScheme):
        given, _ = step(config=config).preprocess(given, {})
    shown = {
        c.metadata.nbgrader.grade_id: c.source
        for c in given.cells
        if c.metadata.get("nbgrader", {}).get("grade_id")
    }
    return Released(path.stem, notebook, stubbed, shown)


@dataclass(frozen=True)
class Record:
    """What the gradebook is to hold about one notebook of one student."""

    student: str
    notebook: str
    key: str  # of everything that the scores depend on
    content: str  # of what the student wrote
    scores: Mapping[str, float | None]  # by cell; None waits for a person
    waiting: frozenset[str] = frozenset()  # cells that a person has to look at
    unanswered: frozenset[str] = frozenset()
    timestamp: datetime | None = None


@dataclass(frozen=True)
class Mark:
    """What the gradebook says about one cell: the grader's score and a person's."""

    auto: float | None
    manual: float | None
    extra: float | None
    waiting: bool
    comment: str = ""

    @property
    def score(self) -> float:
        given = self.manual if self.manual is not None else self.auto
        return (given or 0.0) + (self.extra or 0.0)


@dataclass(frozen=True)
class _Cells:
    """The ids of one notebook's cells in the gradebook."""

    id: str
    graded: Mapping[str, str] = field(default_factory=dict)
    commented: Mapping[str, str] = field(default_factory=dict)


RECEIPTS = sa.Table(
    # nbgrader does not know this table and leaves it alone.
    "autograder_receipt",
    sa.MetaData(),
    sa.Column("notebook_id", sa.String(32), primary_key=True),
    sa.Column("key", sa.String(64), nullable=False),
    sa.Column("content", sa.String(64), nullable=False),
    sa.Column("scores", sa.Text, nullable=False),
)
ASSIGNMENT, NOTEBOOK = api.Assignment.__table__, api.Notebook.__table__
BASE, SOURCE = api.BaseCell.__table__, api.SourceCell.__table__
KINDS = {
    "GradeCell": api.GradeCell.__table__,
    "SolutionCell": api.SolutionCell.__table__,
    "TaskCell": api.TaskCell.__table__,
}
STUDENT, HANDED_IN = api.Student.__table__, api.SubmittedAssignment.__table__
SUBMITTED = api.SubmittedNotebook.__table__
GRADE, COMMENT = api.Grade.__table__, api.Comment.__table__


class Book:
    """nbgrader's gradebook for one assignment, written in whole transactions.

    What never changes within a run is read once. Only the grader's own columns are written:
    scores, extra credit and comments of a person are never touched.
    """

    def __init__(
        self,
        root: Path,
        assignment: str,
        say: Callable[[str], None] = lambda _: None,
        patience: float = PATIENCE,
    ) -> None:
        self.root, self.assignment, self._say = root, assignment, say
        self._patience = patience
        self.config = settings(root, assignment)
        self.directory = CourseDirectory(config=self.config)
        self._course = str(self.directory.course_id) or "default_course"
        self._assignment_id, self._due = "", None
        self._cells: dict[str, _Cells] = {}
        self._late = AssignLatePenalties(config=self.config)
        self._late.init_plugin()
        url = self.directory.db_url
        self._sqlite = url.startswith("sqlite")
        options = {"connect_args": {"timeout": 5}} if self._sqlite else {}
        self._engine = sa.create_engine(url, **options)
        self._reading = self._engine.execution_options(reading=True)
        if self._sqlite:
            sa.event.listen(self._engine, "connect", _leave_transactions_to_us)
            sa.event.listen(self._engine, "begin", _lock_at_once)

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> "Book":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def folder(self, step: str, student: str) -> Path:
        """The folder of a student's assignment: step is source, submitted, autograded, feedback."""
        name = getattr(self.directory, f"{step}_directory")
        return Path(self.directory.format_path(name, student, self.assignment))

    def register(self, notebooks: Iterable[Released]) -> None:
        """Make sure that the gradebook knows the assignment as `source/` has it."""
        notebooks = list(notebooks)
        self._patiently(self._create)
        self._patiently(lambda: self._register(notebooks))

    def receipts(self) -> dict[tuple[str, str], tuple[str, str]]:
        """By student and notebook, the key and content of what the gradebook holds, unspoilt."""
        return self._patiently(self._receipts)

    def write(self, *records: Record) -> None:
        """Record the scores of some notebooks; all of them or nothing."""
        self._patiently(lambda: self._write(records))

    def marks(self, student: str, notebook: str) -> dict[str, Mark]:
        """What the gradebook says about each cell of a notebook."""
        return self._patiently(lambda: self._marks(student, notebook))

    def _patiently(self, work: Callable[[], Work]) -> Work:
        """Do it again while somebody else has the gradebook locked."""
        began, told = time.monotonic(), False
        while True:
            try:
                return work()
            except (IntegrityError, InvalidEntry):
                if time.monotonic() - began > self._patience:
                    raise
                time.sleep(0.05)  # another grader wrote the same row first
            except OperationalError as error:
                text = str(error.orig)
                busy = "locked" in text or "busy" in text or "already exists" in text
                if not busy or time.monotonic() - began > self._patience:
                    raise GradebookError(f"The gradebook cannot be written: {text}.") from error
                if not told and "locked" in text:
                    self._say("The gradebook is locked by another program; waiting for it.")
                    told = True
                time.sleep(0.1)
            except DBAPIError as error:
                raise GradebookError(f"The gradebook cannot be used: {error.orig}.") from error

    def _create(self) -> None:
        with self._reading.connect() as db:
            there = sa.inspect(db).has_table("alembic_version")
        if not there:  # nbgrader writes its own tables and their version
            with _without_warnings(), patch.object(api, "get_alembic_version", _schema):
                Gradebook(self.directory.db_url, self._course).close()
        with self._engine.begin() as db:
            RECEIPTS.create(db, checkfirst=True)

    def _register(self, notebooks: Iterable[Released]) -> None:
        with self._engine.begin() as db:
            course = api.Course.__table__
            if not db.scalar(sa.select(course.c.id).where(course.c.id == self._course)):
                db.execute(sa.insert(course).values(id=self._course))
            assignment = db.scalar(
                sa.select(ASSIGNMENT.c.id).where(ASSIGNMENT.c.name == self.assignment)
            )
            if assignment is None:
                assignment = _insert(db, ASSIGNMENT, name=self.assignment, course_id=self._course)
            self._assignment_id = assignment
            due = sa.select(ASSIGNMENT.c.duedate).where(ASSIGNMENT.c.id == assignment)
            self._due = db.scalar(due)
            for one in notebooks:
                self._cells[one.name] = self._register_notebook(db, one)
            self._complete_submissions(db)

    def _register_notebook(self, db: sa.Connection, one: Released) -> _Cells:
        known = db.scalar(
            sa.select(NOTEBOOK.c.id).where(
                NOTEBOOK.c.name == one.name, NOTEBOOK.c.assignment_id == self._assignment_id
            )
        )
        identity = known or _insert(
            db,
            NOTEBOOK,
            name=one.name,
            assignment_id=self._assignment_id,
            kernelspec=json.dumps(one.notebook.metadata.get("kernelspec", {})),
        )
        wanted = {}
        for cell in one.stubbed.cells:
            if is_grade(cell):
                wanted[cell.metadata.nbgrader.grade_id, "GradeCell"] = cell
            if is_solution(cell):
                wanted[cell.metadata.nbgrader.grade_id, "SolutionCell"] = cell
            if is_task(cell):
                wanted[cell.metadata.nbgrader.grade_id, "TaskCell"] = cell
        rows = db.execute(
            sa.select(BASE.c.name, BASE.c.type, BASE.c.id).where(BASE.c.notebook_id == identity)
        )
        there = {(name, kind): cell for name, kind, cell in rows}
        for (name, kind), cell in there.items():
            if (name, kind) not in wanted:
                self._forget_cell(db, kind, cell)
        for (name, kind), cell in wanted.items():
            values: dict[str, Any] = {}
            if kind != "SolutionCell":
                values = {
                    "max_score": float(cell.metadata.nbgrader.points),
                    "cell_type": cell.cell_type,
                }
            if (name, kind) not in there:
                there[name, kind] = _insert(db, BASE, name=name, notebook_id=identity, type=kind)
                db.execute(sa.insert(KINDS[kind]).values(id=there[name, kind], **values))
            elif values:
                table = KINDS[kind]
                db.execute(sa.update(table).where(table.c.id == there[name, kind]).values(**values))
        self._register_sources(db, identity, one)
        graded = {n: there[n, k] for n, k in wanted if k != "SolutionCell"}
        commented = {n: there[n, k] for n, k in wanted if k != "GradeCell"}
        return _Cells(identity, graded, commented)

    def _forget_cell(self, db: sa.Connection, kind: str, cell: str) -> None:
        """Take a cell out that the course no longer has, but for what a person wrote there."""
        db.execute(
            sa.delete(GRADE).where(
                GRADE.c.cell_id == cell,
                GRADE.c.manual_score.is_(None),
                GRADE.c.extra_credit.is_(None),
            )
        )
        db.execute(
            sa.delete(COMMENT).where(COMMENT.c.cell_id == cell, COMMENT.c.manual_comment.is_(None))
        )
        table = KINDS[kind]
        for kept in (GRADE, COMMENT):
            if db.scalar(sa.select(kept.c.id).where(kept.c.cell_id == cell).limit(1)):
                self._say("A cell that the course no longer has keeps what a person gave for it.")
                if "max_score" in table.c:
                    db.execute(sa.update(table).where(table.c.id == cell).values(max_score=0.0))
                return
        db.execute(sa.delete(table).where(table.c.id == cell))
        db.execute(sa.delete(BASE).where(BASE.c.id == cell))

    def _register_sources(self, db: sa.Connection, notebook: str, one: Released) -> None:
        """The texts by which nbgrader restores locked cells and tells answers from stubs."""
        rows = db.execute(sa.select(SOURCE.c.name).where(SOURCE.c.notebook_id == notebook))
        there = {name for (name,) in rows}
        for cell in one.stubbed.cells:
            if not (is_grade(cell) or is_solution(cell) or is_locked(cell) or is_task(cell)):
                continue
            marks = cell.metadata.nbgrader
            values = {
                "cell_type": cell.cell_type,
                "locked": is_locked(cell),
                "source": cell.source,
                "checksum": marks.get("checksum"),
            }
            if marks.grade_id not in there:
                _insert(db, SOURCE, name=marks.grade_id, notebook_id=notebook, **values)
            elif is_locked(cell):  # a stub stays what it was when students got it
                db.execute(
                    sa.update(SOURCE)
                    .where(SOURCE.c.notebook_id == notebook, SOURCE.c.name == marks.grade_id)
                    .values(**values)
                )

    def _complete_submissions(self, db: sa.Connection) -> None:
        """Give submissions that are already known the rows of cells that are new."""
        known = db.execute(
            sa.select(HANDED_IN.c.id).where(HANDED_IN.c.assignment_id == self._assignment_id)
        )
        for (handed_in,) in known.all():
            self._rows_of(db, handed_in)

    def _rows_of(self, db: sa.Connection, handed_in: str) -> dict[str, str]:
        """The submitted notebooks of a submission, with a row for each cell: id by name."""
        rows = db.execute(
            sa.select(SUBMITTED.c.notebook_id, SUBMITTED.c.id).where(
                SUBMITTED.c.assignment_id == handed_in
            )
        )
        there: dict[str, str] = dict(rows.all())  # type: ignore[arg-type]
        found = {}
        for name, cells in self._cells.items():
            if cells.id not in there:
                there[cells.id] = _insert(
                    db, SUBMITTED, notebook_id=cells.id, assignment_id=handed_in, flagged=False
                )
            found[name] = there[cells.id]
            for table, wanted in ((GRADE, cells.graded), (COMMENT, cells.commented)):
                of = sa.select(table.c.cell_id).where(table.c.notebook_id == found[name])
                have = {cell for (cell,) in db.execute(of)}
                new = [c for c in wanted.values() if c not in have]
                if new:
                    db.execute(
                        sa.insert(table),
                        [{"cell_id": cell, "notebook_id": found[name]} for cell in new],
                    )
        return found

    def _write(self, records: Iterable[Record]) -> None:
        with self._engine.begin() as db:
            for record in records:
                handed_in = db.execute(
                    sa.select(HANDED_IN.c.id, HANDED_IN.c.timestamp, HANDED_IN.c.extension).where(
                        HANDED_IN.c.assignment_id == self._assignment_id,
                        HANDED_IN.c.student_id == record.student,
                    )
                ).first()
                if handed_in is None:
                    self._write_new(db, record)
                else:
                    self._write_again(db, record, *handed_in)

    def _write_new(self, db: sa.Connection, record: Record) -> None:
        """The first that the gradebook hears of a student's submission."""
        if not db.scalar(sa.select(STUDENT.c.id).where(STUDENT.c.id == record.student)):
            db.execute(sa.insert(STUDENT).values(id=record.student))
        handed_in = _insert(
            db,
            HANDED_IN,
            assignment_id=self._assignment_id,
            student_id=record.student,
            timestamp=record.timestamp,
        )
        for name, cells in self._cells.items():
            own = name == record.notebook
            scores = record.scores if own else {}
            score = sum(value or 0.0 for value in scores.values())
            notebook = _insert(
                db,
                SUBMITTED,
                notebook_id=cells.id,
                assignment_id=handed_in,
                flagged=False,
                late_submission_penalty=self._penalty(record, score, record.timestamp, None),
            )
            grades = [
                {
                    "cell_id": cell,
                    "notebook_id": notebook,
                    "auto_score": scores.get(one),
                    "needs_manual_grade": scores.get(one) is None or one in record.waiting,
                }
                for one, cell in cells.graded.items()
            ]
            comments = [
                {
                    "cell_id": cell,
                    "notebook_id": notebook,
                    "auto_comment": "No response." if own and one in record.unanswered else None,
                }
                for one, cell in cells.commented.items()
            ]
            for table, rows in ((GRADE, grades), (COMMENT, comments)):
                if rows:
                    db.execute(sa.insert(table), rows)
            if own:
                db.execute(sa.insert(RECEIPTS).values(notebook_id=notebook, **_receipt(record)))

    def _write_again(
        self, db: sa.Connection, record: Record, handed_in: str, before: Any, extension: Any
    ) -> None:
        moment = record.timestamp or before
        if moment != before:
            db.execute(
                sa.update(HANDED_IN).where(HANDED_IN.c.id == handed_in).values(timestamp=moment)
            )
        notebook = self._rows_of(db, handed_in)[record.notebook]
        seen = db.scalar(sa.select(RECEIPTS.c.content).where(RECEIPTS.c.notebook_id == notebook))
        score = self._write_grades(db, record, notebook, changed=seen != record.content)
        self._write_comments(db, record, notebook)
        db.execute(
            sa.update(SUBMITTED)
            .where(SUBMITTED.c.id == notebook)
            .values(late_submission_penalty=self._penalty(record, score, moment, extension))
        )
        there = sa.delete(RECEIPTS).where(RECEIPTS.c.notebook_id == notebook)
        db.execute(there)
        db.execute(sa.insert(RECEIPTS).values(notebook_id=notebook, **_receipt(record)))

    def _write_grades(
        self, db: sa.Connection, record: Record, notebook: str, changed: bool
    ) -> float:
        """Write the grader's scores; return what the notebook comes to."""
        names = {cell: name for name, cell in self._cells[record.notebook].graded.items()}
        rows = db.execute(
            sa.select(
                GRADE.c.id,
                GRADE.c.cell_id,
                GRADE.c.auto_score,
                GRADE.c.manual_score,
                GRADE.c.extra_credit,
                GRADE.c.needs_manual_grade,
            ).where(GRADE.c.notebook_id == notebook)
        )
        total = 0.0
        for grade, cell, auto, manual, extra, waits in rows.all():
            name = names.get(cell)
            if name is None or name not in record.scores:
                total += (manual if manual is not None else auto or 0.0) + (extra or 0.0)
                continue
            score = record.scores[name]
            waiting = score is None or name in record.waiting
            if manual is not None:
                # A person has been here. They look again only if the student's work is new.
                waiting = True if changed else waits
            if (auto, waits) != (score, waiting):
                db.execute(
                    sa.update(GRADE)
                    .where(GRADE.c.id == grade)
                    .values(auto_score=score, needs_manual_grade=waiting)
                )
            total += (manual if manual is not None else score or 0.0) + (extra or 0.0)
        return total

    def _write_comments(self, db: sa.Connection, record: Record, notebook: str) -> None:
        for name, cell in self._cells[record.notebook].commented.items():
            db.execute(
                sa.update(COMMENT)
                .where(COMMENT.c.notebook_id == notebook, COMMENT.c.cell_id == cell)
                .values(auto_comment="No response." if name in record.unanswered else None)
            )

    def _penalty(
        self, record: Record, score: float, moment: datetime | None, extension: Any
    ) -> float | None:
        """What the course's own rule takes off for handing in late."""
        if self._due is None or moment is None:
            return None
        late = (moment - self._due - (extension or timedelta())).total_seconds()
        if late <= 0:
            return None
        penalty = self._late.plugin_inst.late_submission_penalty(record.student, score, late)
        return None if penalty is None else min(max(float(penalty), 0.0), score)

    def _receipts(self) -> dict[tuple[str, str], tuple[str, str]]:
        with self._reading.connect() as db:
            names = {cells.id: name for name, cells in self._cells.items()}
            rows = db.execute(
                sa.select(
                    HANDED_IN.c.student_id,
                    SUBMITTED.c.notebook_id,
                    SUBMITTED.c.id,
                    RECEIPTS.c.key,
                    RECEIPTS.c.content,
                    RECEIPTS.c.scores,
                )
                .join(SUBMITTED, SUBMITTED.c.assignment_id == HANDED_IN.c.id)
                .join(RECEIPTS, RECEIPTS.c.notebook_id == SUBMITTED.c.id)
                .where(HANDED_IN.c.assignment_id == self._assignment_id)
            ).all()
            grades = db.execute(
                sa.select(GRADE.c.notebook_id, BASE.c.name, GRADE.c.auto_score)
                .join(BASE, BASE.c.id == GRADE.c.cell_id)
                .join(SUBMITTED, SUBMITTED.c.id == GRADE.c.notebook_id)
                .join(HANDED_IN, HANDED_IN.c.id == SUBMITTED.c.assignment_id)
                .where(HANDED_IN.c.assignment_id == self._assignment_id)
            )
            held: dict[str, dict[str, float | None]] = {}
            for notebook, cell, auto in grades:
                held.setdefault(notebook, {})[cell] = auto
        found = {}
        for student, notebook, identity, key, content, scores in rows:
            told, stands = json.loads(scores), held.get(identity, {})
            # Somebody else may have graded since; then ours is written again.
            if notebook in names and all(stands.get(n, -1.0) == v for n, v in told.items()):
                found[student, names[notebook]] = (key, content)
        return found

    def _marks(self, student: str, notebook: str) -> dict[str, Mark]:
        with self._reading.connect() as db:
            of = (
                sa.select(SUBMITTED.c.id)
                .join(HANDED_IN, HANDED_IN.c.id == SUBMITTED.c.assignment_id)
                .where(
                    HANDED_IN.c.assignment_id == self._assignment_id,
                    HANDED_IN.c.student_id == student,
                    SUBMITTED.c.notebook_id == self._cells[notebook].id,
                )
                .scalar_subquery()
            )
            said = {
                name: manual or ""
                for name, manual in db.execute(
                    sa.select(BASE.c.name, COMMENT.c.manual_comment)
                    .join(BASE, BASE.c.id == COMMENT.c.cell_id)
                    .where(COMMENT.c.notebook_id == of)
                )
            }
            rows = db.execute(
                sa.select(
                    BASE.c.name,
                    GRADE.c.auto_score,
                    GRADE.c.manual_score,
                    GRADE.c.extra_credit,
                    GRADE.c.needs_manual_grade,
                )
                .join(BASE, BASE.c.id == GRADE.c.cell_id)
                .where(GRADE.c.notebook_id == of)
            )
            marks = {
                name: Mark(auto, manual, extra, waits, said.get(name, ""))
                for name, auto, manual, extra, waits in rows
            }
            for name, comment in said.items():
                if comment and name not in marks:
                    marks[name] = Mark(None, None, None, False, comment)
            return marks


def _schema() -> str:
    """The version of nbgrader's tables; nbgrader itself starts a program of 3 s to learn it."""
    from alembic.script import ScriptDirectory

    return str(ScriptDirectory(Path(api.__file__).with_name("alembic")).get_current_head())


def _receipt(record: Record) -> dict[str, str]:
    scores = json.dumps(dict(record.scores), sort_keys=True)
    return {"key": record.key, "content": record.content, "scores": scores}


def _insert(db: sa.Connection, table: Any, **values: Any) -> str:
    identity: str = api.new_uuid()
    db.execute(sa.insert(table).values(id=identity, **values))
    return identity


def _leave_transactions_to_us(connection: Any, _: Any) -> None:
    connection.isolation_level = None


def _lock_at_once(connection: sa.Connection) -> None:
    """Take the write lock before reading, so that two graders never act on the same old state."""
    reading = connection.get_execution_options().get("reading")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
