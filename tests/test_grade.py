"""The promises of the grader, each with a test that fails without it.

1. Every submission ends graded or with a named failure; nobody's failure stops another's grading.
2. Killed at any point and started again, it leaves the same gradebook; files are whole or absent.
3. A grade given by a person is never overwritten; a newer submission is known by its content.
4. Grades depend on the submission, the course and the seed alone.
5. Damaged metadata costs nothing; locked cells count as `source/` has them: test_submission.
6. Hidden checks appear in no feedback.
7. nbgrader's formgrader, feedback and export go on working: test_gradebook.
"""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_pool import FakePool
from nbgrader.api import Gradebook
from submissions import course
from submissions.course import ASSIGNMENT, CANARIES, NOTEBOOK, Handed

from autograder.grading import grade, gradebook
from autograder.grading.grade import Grading, Outcome
from autograder.grading.options import Options

CLASS = [f"student{n:02d}" for n in range(8)]
RIGHT = "answer = 'right'"  # what the fake pool looks for


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A course in which every other student is right."""
    course.write(tmp_path)
    for number, student in enumerate(CLASS):
        handed = Handed(tmp_path, student)
        handed.set("bn", f"{RIGHT if number % 2 else 'answer = 0'}  # {student}").write()
    return tmp_path


def run(root: Path, pool: Any = FakePool, **options: Any) -> dict[str, Outcome]:
    with Grading(root, ASSIGNMENT, Options(**options), pool=pool) as grading:
        return {o.student: o for o in grading}


def held(root: Path) -> list[tuple[Any, ...]]:
    """What the gradebook holds, but for the ids that nbgrader draws at random."""
    way = (
        " join base_cell c on c.id = x.cell_id join submitted_notebook sn on sn.id = x.notebook_id"
        " join notebook n on n.id = sn.notebook_id"
        " join submitted_assignment sa on sa.id = sn.assignment_id"
    )
    with contextlib.closing(sqlite3.connect(root / "gradebook.db")) as db:
        return db.execute(
            "select sa.student_id, n.name, c.name, c.type, x.auto_score, x.manual_score,"
            f" x.extra_credit, x.needs_manual_grade, null from grade x {way} union all"
            " select sa.student_id, n.name, c.name, c.type, null, null, null, null,"
            " coalesce(x.auto_comment, '') || '/' || coalesce(x.manual_comment, '')"
            f" from comment x {way} order by 1, 2, 3, 4, 9"
        ).fetchall()


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for step in ("autograded", "feedback")
        for path in sorted((root / step).rglob("*"))
        if path.is_file()
    }


def by_hand(root: Path, student: str, cell: str, score: float, comment: str = "") -> None:
    """What a person does in formgrader."""
    with Gradebook(f"sqlite:///{root}/gradebook.db", gradebook.COURSE) as book:
        given = book.find_grade(cell, NOTEBOOK, ASSIGNMENT, student)
        given.manual_score, given.needs_manual_grade = score, False
        if comment:
            book.find_comment("bn", NOTEBOOK, ASSIGNMENT, student).manual_comment = comment
        book.db.commit()


def mark(root: Path, student: str, cell: str) -> tuple[Any, ...]:
    """A person's score, whether somebody has to look, and the grader's score."""
    rows = [r for r in held(root) if r[0] == student and r[2] == cell and r[3] == "GradeCell"]
    return rows[0][5], rows[0][7], rows[0][4]


def page(root: Path, student: str) -> str:
    return (root / "feedback" / student / ASSIGNMENT / "hw.html").read_text(encoding="utf-8")


def undisturbed(root: Path, factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """What a run that nobody disturbs leaves behind."""
    copy = factory.mktemp("undisturbed") / "course"
    shutil.copytree(root, copy)
    run(copy)
    return held(copy), files(copy)


def crowd(root: Path, students: int) -> None:
    for number in range(students):
        Handed(root, f"more{number:02d}").set("bn", f"{RIGHT}  # {number}").write()


PROGRAM = """
import sys
sys.path[:0] = {paths!r}
import fake_pool
import autograder.sealed.pool
autograder.sealed.pool.Pool = fake_pool.FakePool
from autograder.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def command(root: Path, *words: str, seconds: float = 0.0) -> subprocess.Popen[str]:
    """The real command in a process of its own, with the fake pool."""
    here = Path(__file__).parent
    program = PROGRAM.format(paths=[str(here), str(here.parent)])
    return subprocess.Popen(
        [sys.executable, "-c", program, "--course", str(root), "grade", ASSIGNMENT, *words],
        env={**os.environ, "FAKE_SECONDS": str(seconds)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_everybody_is_graded_with_points_in_the_gradebook_and_files(root: Path) -> None:
    outcomes = run(root)
    assert {o.state for o in outcomes.values()} == {"graded"}
    assert [outcomes[s].earned for s in CLASS[:2]] == [0, 8]
    assert gradebook.points(root, ASSIGNMENT, CLASS[1])["hw/bn_hidden"] == 3
    for step, name in (("autograded", "hw.ipynb"), ("feedback", "hw.html")):
        assert (root / step / CLASS[0] / ASSIGNMENT / name).is_file()


# Promise 1


class BreaksForOne(FakePool):
    def judge(self, steps: Any, salt: int, **more: Any) -> Any:
        if any(CLASS[3] in step.source for step in steps):
            raise RuntimeError("the pool broke")
        return super().judge(steps, salt, **more)


def test_nobodys_failure_stops_anothers_grading(root: Path) -> None:
    Handed(root, "cut").raw("{")
    Handed(root, "empty").raw("")
    (root / "submitted" / "file").write_text("no folder")
    (root / "submitted" / "linked").symlink_to(root / "submitted" / CLASS[0])
    (root / "submitted" / "stray").mkdir()
    (root / "submitted" / "stray" / ASSIGNMENT).write_text("no folder")
    Handed(root, "<script>alert(1)<&>").write()
    outcomes = run(root, BreaksForOne)
    states = {student: o.state for student, o in outcomes.items() if o.state != "graded"}
    unread = dict.fromkeys(("cut", "empty", "linked", "stray"), "unread")
    assert states == {CLASS[3]: "failed", **unread}
    assert all(outcomes[student].problems for student in states)
    assert "the pool broke" in outcomes[CLASS[3]].problems[0]
    assert run(root)[CLASS[3]].state == "graded", "the next run takes it up"


def test_a_submission_that_cannot_be_read_waits_for_a_person_with_no_points(root: Path) -> None:
    Handed(root, "cut").raw("{")
    run(root)
    assert mark(root, "cut", "bn_hidden") == (None, 1, 0.0)
    assert "stops in the middle" in page(root, "cut")


def test_what_a_student_left_out_gets_no_points_and_is_no_failure(root: Path) -> None:
    shutil.copy(*(root / "source" / ASSIGNMENT / name for name in ("hw.ipynb", "hw2.ipynb")))
    with Grading(root, ASSIGNMENT, Options(), pool=FakePool) as grading:
        outcomes = list(grading)
    assert {(o.notebook, o.state) for o in outcomes} == {("hw", "graded"), ("hw2", "missing")}
    assert grade.exit_code(outcomes, "") == 0


def test_a_renamed_notebook_is_pointed_at(root: Path) -> None:
    Handed(root, "renamed").raw(Handed(root).text(), "hw (1).ipynb")
    assert "'hw (1).ipynb'" in run(root)["renamed"].problems[0]


# Promise 2


class PowerCut(BaseException):
    """Nothing of ours runs after it."""


def _cut(*_: Any) -> Any:
    raise PowerCut


def _then_cut(work: Any) -> Any:
    def both(*arguments: Any) -> None:
        work(*arguments)
        raise PowerCut

    return both


def whole(path: Path) -> bool:
    text = path.read_text(encoding="utf-8")
    return text.endswith("</html>\n") if path.suffix == ".html" else bool(json.loads(text))


@pytest.mark.parametrize("after", ["gradebook", "feedback", "autograded", "half a file"])
def test_a_power_cut_between_gradebook_and_files_is_made_good(
    root: Path, after: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any
) -> None:
    wanted = undisturbed(root, tmp_path_factory)
    put = Grading._put
    with monkeypatch.context() as patched:
        if after == "half a file":
            patched.setattr(Path, "replace", _cut)
        elif after == "gradebook":
            patched.setattr(gradebook.Book, "write", _then_cut(gradebook.Book.write))
        else:
            patched.setattr(
                Grading, "_put", lambda *a: _then_cut(put)(*a) if a[1] == after else put(*a)
            )
        with pytest.raises(PowerCut):
            run(root, workers=1)
    assert all(whole(path) for path in (root / "feedback").rglob("*.html"))
    run(root)
    left = {name for name in files(root) if ".partial" in name}  # this process still lives
    assert len(left) == (after == "half a file")
    there = {name: data for name, data in files(root).items() if name not in left}
    assert (held(root), there) == wanted


KILLS = """
import os, random, signal, sys, time
sys.path[:0] = {paths!r}
import fake_pool
import autograder.sealed.pool
autograder.sealed.pool.Pool = fake_pool.FakePool
from autograder.__main__ import main
from autograder.grading import grade
def written():
    return len(list({root!r}.glob("feedback/*/*/hw.html")))
draw = random.Random(0)
for number in range(24):
    until = written() + draw.choice([0, 0, 1, 2, 3, 4])  # not by the clock: machines differ
    child = os.fork()
    if not child:
        main({words!r})
        os._exit(0)
    while written() < until:
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "it ended by itself"
        time.sleep(0.002)
    time.sleep(draw.uniform(0, 0.5 if number % 6 == 0 else 0.05))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for path in {root!r}.glob("*/*/*/hw.*"):
        text = path.read_text()
        assert path.suffix != ".html" or text.endswith("</html>\\n"), path
        assert path.suffix != ".ipynb" or grade.json.loads(text), path
""".replace("{root!r}", "__import__('pathlib').Path({root!r})")


def test_killed_24_times_it_ends_as_if_undisturbed(root: Path, tmp_path_factory: Any) -> None:
    crowd(root, 100)
    wanted = undisturbed(root, tmp_path_factory)
    here = Path(__file__).parent
    program = KILLS.format(
        paths=[str(here), str(here.parent)],
        words=["--course", str(root), "grade", ASSIGNMENT],
        root=str(root),
    )
    killed = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "FAKE_SECONDS": "0.05"},
        capture_output=True,
        text=True,
    )
    assert killed.returncode == 0, killed.stderr
    written = len(list(root.glob("feedback/*/*/hw.html")))
    assert 5 < written < 108, f"{written} of 108 were done when the last run was killed"
    assert {o.state for o in run(root).values()} == {"graded", "unchanged"}
    assert (held(root), files(root)) == wanted, "and nothing is left half-written"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_asked_to_stop_says_how_to_go_on(root: Path, number: int) -> None:
    process = command(root, "--workers", "1", seconds=0.5)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(1.2)
    process.send_signal(number)
    told = process.communicate(timeout=20)[0]
    assert "the same command goes on from here" in told
    assert "Traceback" not in told
    assert process.returncode == 130
    assert {o.state for o in run(root).values()} == {"graded", "unchanged"}


def test_two_graders_at_once_write_what_one_would(root: Path, tmp_path_factory: Any) -> None:
    wanted = undisturbed(root, tmp_path_factory)
    both = [command(root, seconds=0.02) for _ in range(2)]
    told = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert (held(root), files(root)) == wanted


@contextlib.contextmanager
def locked(root: Path, seconds: float) -> Iterator[None]:
    """Somebody else holds the gradebook."""
    db = sqlite3.connect(root / "gradebook.db", isolation_level=None, check_same_thread=False)
    db.execute("begin exclusive")
    timer = threading.Timer(seconds, lambda: db.execute("commit"))
    timer.start()
    try:
        yield
    finally:
        timer.join()
        db.close()


def test_a_gradebook_locked_for_15_s_is_waited_for(root: Path) -> None:
    run(root)
    Handed(root, CLASS[0]).set("bn", RIGHT).write()
    said: list[str] = []
    with locked(root, 15), Grading(root, ASSIGNMENT, Options(), said.append, FakePool) as grading:
        outcomes = {o.student: o for o in grading}
    assert outcomes[CLASS[0]].earned == 8
    assert said == ["The gradebook is locked by another program; waiting for it."]


def test_a_gradebook_locked_for_good_ends_the_run_with_a_name(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(root)
    Handed(root, CLASS[0]).set("bn", RIGHT).write()
    with Grading(root, ASSIGNMENT, Options(), pool=FakePool) as grading:
        monkeypatch.setattr(grading._book, "_patience", 0.1)
        with locked(root, 8):
            outcomes = list(grading)
    assert "database is locked" in grading.stopped
    assert len(outcomes) == len(CLASS)
    assert all("database is locked" in o.problems[0] for o in outcomes if o.failed)
    assert grade.exit_code(outcomes, grading.stopped) == 3
    assert run(root)[CLASS[0]].earned == 8


@pytest.fixture
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system with room for a gradebook and a few files."""
    folder = tmp_path_factory.mktemp("small")
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_ends_the_run_and_the_next_one_finishes_it(
    root: Path, small_disk: Path, tmp_path_factory: Any
) -> None:
    crowd(root, 40)
    wanted = undisturbed(root, tmp_path_factory)
    for part in ("source", "submitted"):
        shutil.copytree(root / part, small_disk / part)
    with Grading(small_disk, ASSIGNMENT, Options(), pool=FakePool) as grading:
        outcomes = list(grading)
    assert "space" in grading.stopped or "full" in grading.stopped
    assert len(outcomes) == len(CLASS) + 40, "everybody is named"
    assert all(map(whole, (small_disk / "feedback").rglob("*.html")))
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    run(small_disk)
    assert (held(small_disk), files(small_disk)) == wanted


def test_a_folder_that_may_not_be_written_stops_only_its_student(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def refuse(path: Path, target: Path) -> Path:
        if CLASS[2] in str(target):
            raise PermissionError(13, "Permission denied", str(target))
        return replace(path, target)

    with monkeypatch.context() as patched:  # root, who may run the tests, writes anywhere
        patched.setattr(Path, "replace", refuse)
        outcomes = run(root)
    assert [s for s, o in outcomes.items() if o.failed] == [CLASS[2]]
    assert "Permission denied" in outcomes[CLASS[2]].problems[0]
    assert run(root)[CLASS[2]].state == "graded"


def test_what_a_killed_run_left_half_written_is_swept_away(root: Path) -> None:
    (root / "feedback").mkdir()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = root / "feedback" / f".partial-{dead.pid}-7"
    mine = root / "feedback" / f".partial-{os.getpid()}-999999"
    left.touch()
    mine.touch()
    run(root)
    assert not left.exists()
    assert mine.exists(), "another grader may still be writing"


# Promise 3


def test_a_grade_given_by_a_person_outlives_everything(root: Path) -> None:
    run(root)
    by_hand(root, CLASS[0], "bn_hidden", 2.5, "Nearly there.")
    by_hand(root, CLASS[0], "essay", 2.0)
    run(root)
    assert mark(root, CLASS[0], "bn_hidden") == (2.5, 0, 0.0), "nothing new: nothing to review"
    shutil.rmtree(root / "autograded")
    run(root)
    assert mark(root, CLASS[0], "bn_hidden") == (2.5, 0, 0.0), "graded again, but nothing new"
    Handed(root, CLASS[0]).set("bn", RIGHT).write()
    run(root)
    assert mark(root, CLASS[0], "bn_hidden") == (2.5, 1, 3.0), "new work: kept, to be reviewed"
    assert mark(root, CLASS[0], "essay") == (2.0, 1, None)
    assert "Nearly there." in page(root, CLASS[0])


def test_a_resubmission_is_known_by_its_content_not_by_its_clock(root: Path) -> None:
    run(root)
    late = Handed(root, CLASS[0]).set("bn", RIGHT)
    late.timestamp = "1999-01-01 00:00:00 UTC"
    late.write()
    assert run(root)[CLASS[0]].earned == 8
    os.utime(late.path(), (0, 0))
    assert {o.state for o in run(root).values()} == {"unchanged"}


class NothingRuns(FakePool):
    def judge(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("something ran")


def test_pages_follow_what_a_person_writes_without_running_anything(root: Path) -> None:
    run(root)
    by_hand(root, CLASS[0], "essay", 1.5, "A second look.")
    outcome = run(root, NothingRuns)[CLASS[0]]
    assert (outcome.state, outcome.earned) == ("unchanged", 1.5)
    assert "1.5 of 10 points" in page(root, CLASS[0])
    assert "A second look." in page(root, CLASS[0])


def test_scores_that_somebody_else_changed_are_written_again(root: Path) -> None:
    run(root)
    with contextlib.closing(sqlite3.connect(root / "gradebook.db")) as db:
        db.execute("update grade set auto_score = 3")
        db.commit()
    assert {o.state for o in run(root).values()} == {"graded"}
    assert mark(root, CLASS[0], "bn_hidden")[2] == 0


def test_a_lost_gradebook_is_written_again(root: Path) -> None:
    run(root)
    before = held(root)
    (root / "gradebook.db").unlink()
    run(root)
    assert held(root) == before


# Promise 4


def test_neither_workers_nor_their_order_change_a_grade(root: Path, tmp_path_factory: Any) -> None:
    copies = []
    for workers in (1, 4):
        copies.append(tmp_path_factory.mktemp("workers") / "course")
        shutil.copytree(root, copies[-1])
        run(copies[-1], workers=workers)
    one, four = copies
    assert (held(one), files(one)) == (held(four), files(four))


class RemembersSalts(FakePool):
    salts: list[int] = []  # noqa: RUF012

    def judge(self, steps: Any, salt: int, **more: Any) -> Any:
        self.salts.append(salt)
        return super().judge(steps, salt, **more)


def test_the_salt_comes_from_the_seed_and_from_what_students_cannot_see(root: Path) -> None:
    def salts(**options: Any) -> set[int]:
        RemembersSalts.salts.clear()
        shutil.rmtree(root / "autograded", ignore_errors=True)
        run(root, RemembersSalts, **options)
        return set(RemembersSalts.salts)

    first = salts()
    assert len(first) == 1, "everybody has the same inputs"
    assert salts() == first
    assert salts(seed=1).isdisjoint(first)
    path = root / "source" / ASSIGNMENT / "hw.ipynb"
    path.write_text(path.read_text().replace("seed(1234)", "seed(1235)"))
    assert salts().isdisjoint(first)


def test_a_new_course_version_grades_everybody_again(root: Path) -> None:
    run(root)
    by_hand(root, CLASS[0], "bn_hidden", 2.5)
    path = root / "source" / ASSIGNMENT / "hw.ipynb"
    path.write_text(path.read_text().replace('"points": 3', '"points": 4'))
    outcomes = run(root)
    assert {o.state for o in outcomes.values()} == {"graded"}
    assert (outcomes[CLASS[1]].earned, outcomes[CLASS[1]].points) == (10, 12)
    assert mark(root, CLASS[0], "bn_hidden")[:2] == (2.5, 0)


def test_a_cell_that_the_course_drops_leaves_only_what_a_person_gave(root: Path) -> None:
    run(root)
    by_hand(root, CLASS[0], "drop_hidden", 1.0)
    notebook = course.source()
    notebook.cells = [c for c in notebook.cells if "HIDDEN TESTS" not in c.source]
    (root / "source" / ASSIGNMENT / "hw.ipynb").write_text(json.dumps(notebook))
    assert run(root)[CLASS[1]].earned == 2
    assert "bn_hidden" not in {row[2] for row in held(root)}
    assert mark(root, CLASS[0], "drop_hidden")[0] == 1.0


# Promise 6


def test_no_secret_of_the_course_reaches_what_students_get(root: Path) -> None:
    run(root)
    for path in [*(root / "feedback").rglob("*.*"), *(root / "autograded").rglob("*.ipynb")]:
        text = path.read_text(encoding="utf-8")
        assert not [canary for canary in CANARIES if canary in text]
        assert "BEGIN HIDDEN" not in text


class SeesFiles(FakePool):
    seen: dict[str, bytes] = {}  # noqa: RUF012

    def judge(self, steps: Any, salt: int, files: Any = (), **more: Any) -> Any:
        self.seen.update(files)
        return super().judge(steps, salt, **more)


def test_no_link_is_followed_and_no_file_of_others_is_handed_on(root: Path) -> None:
    handed = Handed(root, "linker").write()
    handed.path("data.csv").symlink_to(root / "gradebook.db")
    handed.file("own.csv", "1,2")
    handed.path("folder").symlink_to(root / "submitted" / CLASS[0])
    run(root, SeesFiles, students=("linker",))
    assert SeesFiles.seen == {"own.csv": b"1,2"}
    for step in ("autograded", "feedback"):
        names = {p.name for p in (root / step / "linker" / ASSIGNMENT).iterdir()}
        assert names <= {"hw.ipynb", "hw.html", "timestamp.txt", "own.csv"}


def test_files_beside_the_notebook_are_copied_as_nbgrader_does(root: Path) -> None:
    handed = Handed(root, "ada").set("bn", RIGHT).write()
    handed.file("data/own.csv", "1,2")
    handed.file("table.csv", "hers")
    handed.file("page.html", "<script>alert(1)</script>")
    handed.file("drawing.svg", "<svg onload='alert(1)'/>")
    handed.path("gradebook.csv").symlink_to(root / "gradebook.db")
    os.mkfifo(handed.path("pipe.csv"))
    with handed.path("huge.bin").open("wb") as file:
        file.truncate(grade.MAX_FILE + 1)
    (root / "source" / ASSIGNMENT / "table.csv").write_text("the course's")
    run(root)
    home = root / "autograded" / "ada" / ASSIGNMENT
    found = {str(p.relative_to(home)) for p in home.rglob("*") if p.is_file()}
    assert found == {"hw.ipynb", "timestamp.txt", "data/own.csv", "table.csv"}
    assert (home / "data" / "own.csv").read_text() == "1,2"
    assert (home / "table.csv").read_text() == "the course's"
    # What was a folder is a file in the next submission, and the other way round.
    shutil.rmtree(handed.path("data"))
    handed.file("data", "3")
    handed.path("table.csv").unlink()
    handed.file("pair/one.csv", "4")
    assert run(root)["ada"].state == "graded"
    assert (home / "data").read_text() == "3"
    assert (home / "pair" / "one.csv").read_text() == "4"


# The command


def test_a_dry_run_says_what_would_be_done_and_does_nothing(root: Path) -> None:
    Handed(root, "cut").raw("{")
    before = sorted(root.rglob("*"))
    outcomes = run(root, NothingRuns, dry_run=True)
    assert (outcomes["cut"].state, outcomes[CLASS[0]].state) == ("unread", "to grade")
    assert sorted(root.rglob("*")) == before


def test_the_command_tells_by_its_exit_code_how_it_went(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    report = tmp_path_factory.mktemp("json") / "run.json"
    fine = command(root, "--json", str(report))
    told = fine.communicate()[0]
    assert fine.returncode == 0, told
    assert "8 graded" in told
    data = json.loads(report.read_text())
    assert data["counts"] == {"graded": 8}
    assert data["submissions"][0]["results"][0]["aspect"] == "bn_visible"
    Handed(root, "cut\x1b[31m").raw("{")
    broken = command(root)
    told = broken.communicate()[0]
    assert broken.returncode == 1, told
    assert "stops in the middle" in told
    assert "\x1b" not in told, "a folder's name does not command the terminal"
    for words, hint in (
        (["--student", "studnet01"], "student01"),
        (["--notebook", "hv"], "hw"),
        (["--require-sandbox"], "No sandbox"),
    ):
        wrong = command(root, *words)
        assert hint in wrong.communicate()[0]
        assert wrong.returncode == 2


def test_one_student_may_be_graded_alone(root: Path) -> None:
    assert list(run(root, students=(CLASS[4],))) == [CLASS[4]]
    assert {row[0] for row in held(root)} == {CLASS[4]}
