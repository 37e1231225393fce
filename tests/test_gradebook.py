"""What we write is what nbgrader reads: its formgrader, feedback and export go on working."""

import base64
import contextlib
import csv
import json
import logging
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import nbformat
import pytest
from fake_pool import FakePool
from nbgrader.api import Gradebook, InvalidEntry
from nbgrader.apps.api import NbGraderAPI
from nbgrader.converters import GenerateAssignment, GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.plugins import CsvExportPlugin
from submissions import course
from submissions.course import ASSIGNMENT, CANARIES, NOTEBOOK, Handed
from test_grade import RIGHT, run
from traitlets.config import Config

from autograder.grading import gradebook
from autograder.grading.gradebook import Book, Record, configure

QUIET = logging.getLogger("quiet")
pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    course.write(tmp_path)
    Handed(tmp_path, "ada").set("bn", RIGHT).write()
    Handed(tmp_path, "ben").write()
    Handed(tmp_path, "cut").raw("{")
    return tmp_path


def directory(root: Path, **more: Any) -> dict[str, Any]:
    config = configure(Config())
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.assignment_id = ASSIGNMENT
    config.GenerateFeedback.force = config.GenerateAssignment.force = True
    return {"coursedir": CourseDirectory(config=config), "config": config, "log": QUIET}


def rows(root: Path, query: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(root / "gradebook.db")) as db:
        return sorted(db.execute(query), key=repr)


def test_the_assignment_is_registered_as_generate_assignment_would(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    theirs = tmp_path_factory.mktemp("theirs") / "course"
    shutil.copytree(root, theirs)
    GenerateAssignment(**directory(theirs)).start()
    run(root)
    for query in (
        "select name, course_id, duedate from assignment",
        "select name, kernelspec from notebook",
        "select name, type from base_cell",
        "select name, cell_type, locked, source, checksum from source_cell",
        "select max_score, cell_type from grade_cells",
        "select version_num from alembic_version",
    ):
        assert rows(root, query) == rows(theirs, query)


def test_another_grader_may_make_the_gradebook_at_the_same_moment(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def second(*arguments: Any) -> Gradebook:
        monkeypatch.setattr(gradebook, "Gradebook", Gradebook)
        Gradebook(*arguments).close()  # the other one was there first
        raise InvalidEntry("UNIQUE constraint failed: course.id")

    monkeypatch.setattr(gradebook, "Gradebook", second)
    assert {o.state for o in run(root).values()} == {"graded", "unread"}


def test_an_assignment_that_nbgrader_generated_is_taken_as_it_is(root: Path) -> None:
    GenerateAssignment(**directory(root)).start()
    before = rows(root, "select id, name, source, checksum from source_cell")
    run(root)
    assert rows(root, "select id, name, source, checksum from source_cell") == before


def test_autograded_notebooks_are_valid_for_jupyter_and_nbgrader(root: Path) -> None:
    run(root)
    for path in root.glob("autograded/*/*/*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        MetadataValidator().validate_nb(notebook)
        assert not path.stat().st_mode & 0o222, "what was graded is not for editing"


def test_nbgraders_own_feedback_works_and_shows_no_hidden_check(root: Path) -> None:
    essay = "<script>alert(1)</script> fine <img src=x onerror=y>"
    Handed(root, "ada").set("bn", RIGHT).set("essay", essay).write()
    run(root)
    GenerateFeedback(**directory(root)).start()
    page = (root / "feedback" / "ada" / ASSIGNMENT / "hw.html").read_text()
    assert "Score: 8.0 / 10.0" in page
    assert not [c for c in CANARIES if c in page]
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page


def test_formgrader_sees_submissions_scores_and_what_waits(root: Path) -> None:
    run(root)
    api = NbGraderAPI(**{k: v for k, v in directory(root).items() if k != "log"})
    found = {s["student"]: s for s in api.get_submissions(ASSIGNMENT)}
    assert {name: s["score"] for name, s in found.items()} == {"ada": 8, "ben": 0, "cut": 0}
    assert all(s["autograded"] and s["needs_manual_grade"] for s in found.values())
    listed = api.get_notebook_submissions(ASSIGNMENT, NOTEBOOK)
    assert {s["student"]: s["failed_tests"] for s in listed} == {
        "ada": False, "ben": True, "cut": True,
    }  # fmt: skip


def test_export_writes_the_grades(root: Path, tmp_path: Path) -> None:
    run(root)
    to = tmp_path / "grades.csv"
    with Gradebook(f"sqlite:///{root}/gradebook.db", gradebook.COURSE) as book:
        CsvExportPlugin(to=str(to), log=QUIET).export(book)
    told = {row["student_id"]: row for row in csv.DictReader(to.read_text().splitlines())}
    assert (told["ada"]["score"], told["ada"]["max_score"]) == ("8.0", "10.0")
    assert told["ada"]["timestamp"] == "2025-01-01 12:00:00"


def test_late_submissions_lose_what_the_course_says(root: Path) -> None:
    (root / "nbgrader_config.py").write_text(
        "c = get_config()\nc.LateSubmissionPlugin.penalty_method = 'zero'\n"
    )
    run(root)
    with Gradebook(f"sqlite:///{root}/gradebook.db") as book:
        book.update_or_create_assignment(ASSIGNMENT, duedate="2024-12-31 00:00:00 UTC")
        book.grant_extension(ASSIGNMENT, "ben", days=10)
    late = Handed(root, "ada").set("bn", f"{RIGHT} # again").write()
    Handed(root, "ben").set("bn", RIGHT).write()
    run(root)
    penalties = dict(
        rows(
            root,
            "select sa.student_id, sn.late_submission_penalty from submitted_notebook sn"
            " join submitted_assignment sa on sa.id = sn.assignment_id",
        )
    )
    assert (penalties["ada"], penalties["ben"]) == (8.0, None)
    late.timestamp = "2024-12-30 00:00:00 UTC"
    late.write()
    run(root)
    assert rows(root, "select max(late_submission_penalty) from submitted_notebook") == [(None,)]


def test_what_was_not_answered_is_said_to_be_no_response(root: Path) -> None:
    handed = Handed(root, "idle")
    handed.nb = course.released(root)
    handed.write()
    run(root)
    said = rows(
        root,
        "select c.name, m.auto_comment from comment m join base_cell c on c.id = m.cell_id"
        " join submitted_notebook sn on sn.id = m.notebook_id join submitted_assignment sa on"
        " sa.id = sn.assignment_id where sa.student_id = 'idle'",
    )
    assert said == [(name, "No response.") for name in ("bn", "drop", "essay")]
    graded = rows(
        root,
        "select g.auto_score, g.needs_manual_grade from grade g join base_cell c on"
        " c.id = g.cell_id join submitted_notebook sn on sn.id = g.notebook_id join"
        " submitted_assignment sa on sa.id = sn.assignment_id"
        " where sa.student_id = 'idle' and c.name = 'essay'",
    )
    assert graded == [(0.0, 0)]


def test_writing_twice_changes_nothing_and_half_a_write_leaves_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(root)
    dump = "select * from grade"
    before = rows(root, dump)
    facts = gradebook.released(root / "source" / ASSIGNMENT / "hw.ipynb", Config())
    scores = {"bn_visible": 1.0, "bn_hidden": 3.0, "drop_visible": 1.0, "drop_hidden": 3.0}
    record = Record("ada", "hw", "key", "content", {**scores, "essay": None})
    with Book(root, ASSIGNMENT) as book:
        book.register([facts])
        book.write(record)
        assert rows(root, dump) == before
        monkeypatch.setattr(Book, "_write_comments", _fails)
        with pytest.raises(ZeroDivisionError):
            book.write(Record("ada", "hw", "key", "content", dict.fromkeys(scores, 0.0)))
    assert rows(root, dump) == before


def _fails(*_: Any) -> None:
    raise ZeroDivisionError


def test_a_broken_configuration_is_named(root: Path) -> None:
    (root / "nbgrader_config.py").write_text("c = get_confg()")
    with pytest.raises(gradebook.GradebookError, match=r"nbgrader_config\.py.*NameError"):
        run(root)


def test_a_gradebook_that_is_none_is_named(root: Path) -> None:
    (root / "gradebook.db").write_text("not a database, but long enough to be taken for one" * 99)
    with pytest.raises(gradebook.GradebookError, match="not a database"):
        run(root, FakePool)


def test_the_secret_for_releasing_feedback_goes_along(root: Path) -> None:
    Handed(root, "ada").file("submission_secret.txt", "0123456789abcdef" * 8)
    run(root)
    for step in ("autograded", "feedback"):
        assert (root / step / "ada" / ASSIGNMENT / "submission_secret.txt").is_file()


def test_the_autograded_notebook_keeps_answers_pictures_and_messages(root: Path) -> None:
    pixel = base64.b64encode(b"a picture").decode()
    handed = Handed(root, "ben").set("essay", "![plot](attachment:a.png)")
    handed.cell("essay")["attachments"] = {"a.png": {"image/png": pixel, "text/html": "<b>"}}
    handed.write()
    run(root)
    notebook = json.loads((root / "autograded" / "ben" / ASSIGNMENT / "hw.ipynb").read_text())
    cells = {c["metadata"].get("nbgrader", {}).get("grade_id"): c for c in notebook["cells"]}
    assert cells["essay"]["attachments"] == {"a.png": {"image/png": pixel}}
    assert cells["bn_hidden"]["outputs"][0]["evalue"].startswith("When looking")
    assert cells["bn"]["outputs"][0]["text"] == "ran bn\n"
