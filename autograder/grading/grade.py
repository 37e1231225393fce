"""Grade an assignment: from `submitted/` to the gradebook, `autograded/` and `feedback/`.

Workers read and judge; one thread writes. For each notebook the gradebook is written first, in one
transaction, then the feedback page, then the autograded notebook, which carries the key of all
that the scores depend on. A run that is killed anywhere leaves whole files and whole transactions,
and the next one takes up what has no key, or another.
"""

import contextlib
import errno
import json
import mimetypes
import os
import queue
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from typing import Any

from autograder.authoring.course import AuthorError
from autograder.files import PARTIAL, write_whole
from autograder.grading import report, submission
from autograder.grading.gradebook import Book, GradebookError, Record, Released, released, timestamp
from autograder.grading.options import Options
from autograder.grading.submission import Submission, Template, Unreadable
from autograder.results import Result
from autograder.sealed import Verdict
from autograder.sealed.pool import Pool

AS_USUAL = Options()
VERSION = 2  # of what is written; another number grades everything again
MAX_FILE = 32 << 20  # bytes of one file beside the notebook
MAX_FILES = 200
BATCH = 16  # notebooks in one transaction, at most
MAX_FOLDER = 64 << 20  # bytes of all of them
ENDS_THE_RUN = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
ACTIVE = re.compile("html|xml|javascript|ecmascript")  # in the type of a file
NBGRADER_FILES = ("timestamp.txt", "submission_secret.txt")


@dataclass(frozen=True)
class Outcome:
    """What became of one notebook of one student."""

    student: str
    notebook: str
    state: str  # graded, unchanged, to grade, missing, unread, failed
    earned: float = 0.0
    points: float = 0.0
    results: tuple[Result, ...] = ()
    repairs: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    isolation: str = ""
    seconds: float = 0.0
    waiting: int = 0  # cells that wait for a person

    @property
    def failed(self) -> bool:
        return self.state in ("unread", "failed")


@dataclass(frozen=True)
class _Task:
    student: str
    template: Template
    folder: Path
    problem: str = ""


@dataclass(frozen=True)
class _Judged:
    """A task and all that the writing thread needs for it."""

    task: _Task
    submission: Submission
    key: str = ""
    verdict: Verdict | None = None
    standing: Mapping[str, Any] | None = None  # the autograded notebook, where nothing is new
    timestamp: str = ""
    problem: str = ""  # the grader's own


class Grading:
    """One run over one assignment; iterate over it to have it done.

    with Grading(root, "02_normalization", Options()) as grading:
        for outcome in grading: ...
    """

    def __init__(
        self,
        root: Path,
        assignment: str,
        options: Options = AS_USUAL,
        say: Callable[[str], None] = lambda _: None,
        pool: Callable[..., Any] = Pool,
    ) -> None:
        self.root, self.assignment, self.options, self.say = root, assignment, options, say
        self._book = Book(root, assignment, say)
        source = self._book.folder("source", ".")
        self._notebooks = _notebooks_of(source, root, options.notebooks, self._book.config)
        self.tasks = _tasks(self._book, [t for t, _ in self._notebooks.values()], options)
        self._files = _files_beside(source)
        self._make_pool = pool
        self._pool: Any = None
        self.isolation = ""
        self.stopped = ""  # why the run ended early
        self._receipts: dict[tuple[str, str], tuple[str, str]] = {}
        self._stop = threading.Event()

    def __enter__(self) -> "Grading":
        if self.options.dry_run:
            return self
        options = self.options
        pool = self._make_pool(
            isolation=options.isolation,
            workers=options.workers,
            limits=options.limits,
            hidden=(self.root,),
        )
        # The pool loads torch in processes of its own; meanwhile there is the gradebook to open.
        # The pool starts in this thread: sandboxes end with the thread that made them.
        with ThreadPoolExecutor(1) as side:
            opening = side.submit(self._open)
            self._pool = pool.__enter__()
            try:
                opening.result()
            except BaseException:
                pool.__exit__(None, None, None)
                raise
        self.isolation = pool.isolation
        if pool.why:
            self.say(f"The isolation is {pool.isolation!r} here: {pool.why}.")
        return self

    def _open(self) -> None:
        self._book.register([r for _, r in self._notebooks.values()])
        self._receipts = self._book.receipts()
        for step in ("autograded", "feedback"):
            _sweep(self._top(step))

    def __exit__(self, *error: Any) -> None:
        self._stop.set()
        if self._pool is not None:
            self._pool.__exit__(*error)
        self._book.close()

    def __iter__(self) -> Iterator[Outcome]:
        if self.options.dry_run:
            yield from map(self._look, self.tasks)
            return
        waiting, lock = iter(self.tasks), threading.Lock()
        done: queue.Queue[_Judged] = queue.Queue(maxsize=2 * self.options.workers)

        def work() -> None:
            while not self._stop.is_set():
                with lock:
                    task = next(waiting, None)
                if task is None:
                    return
                judged = self._judge(task)
                while not self._stop.is_set():
                    with contextlib.suppress(queue.Full):
                        done.put(judged, timeout=0.2)
                        break

        for _ in range(self.options.workers):
            threading.Thread(target=work, daemon=True).start()
        left = {(t.student, t.template.name): t for t in self.tasks}
        try:
            while left and not self.stopped:
                try:
                    judged = done.get(timeout=1)
                except queue.Empty:  # a wait without an end cannot be interrupted everywhere
                    continue
                ready = [judged]
                with contextlib.suppress(queue.Empty):
                    while len(ready) < BATCH:
                        ready.append(done.get_nowait())
                self._record(ready)
                for judged in ready:
                    del left[judged.task.student, judged.task.template.name]
                    yield self._written(judged)
        finally:
            self._stop.set()
        for task in left.values():
            yield self._failed(task, f"Not reached: {self.stopped}")

    def _look(self, task: _Task) -> Outcome:
        """What a dry run says: everything but what the code does."""
        read = self._read(task)
        state = "missing" if read.missing else "unread" if read.problem else "to grade"
        problems = (read.problem,) if read.problem else ()
        return Outcome(
            task.student, task.template.name, state, 0.0, _worth(task.template),
            repairs=read.repairs, problems=problems,
        )  # fmt: skip

    def _read(self, task: _Task) -> Submission:
        if task.problem:
            return Submission((), problem=task.problem)
        path = task.folder / f"{task.template.name}.ipynb"
        read = submission.read(path, task.template)
        if not read.missing:
            return read
        others = [p.name for p in _entries(task.folder) if p.suffix == ".ipynb"]
        known = {f"{name}.ipynb" for name in self._notebooks}
        strangers = [name for name in others if name not in known]
        hint = f" The folder holds {_listed(strangers)}; rename it." if strangers else ""
        none = not any(name in known for name in others)
        # Who hands in some notebooks has left out the others; who hands in none meant to.
        return Submission(read.cells, (), read.problem + hint, missing=not (strangers or none))

    def _judge(self, task: _Task) -> _Judged:
        """Read and judge one notebook; whatever happens, it has a name."""
        read = Submission((), problem=task.problem)
        try:
            read = self._read(task)
            files = {**_files_beside(task.folder), **self._files}
            moment = _clock(task.folder)
            key = self._key(task.template, read, files, moment)
            receipt = self._receipts.get((task.student, task.template.name))
            if receipt == (key, read.digest):
                standing = self._standing(task, key)
                if standing is not None:
                    return _Judged(task, read, key, standing=standing, timestamp=moment)
            verdict = None
            if not read.problem:
                verdict = self._pool.judge(
                    read.steps,
                    _salt(self.options.seed, task.template),
                    forbid=_forbidden(task.template),
                    files=files,
                )
            return _Judged(task, read, key, verdict, timestamp=moment)
        except Exception as error:
            return _Judged(task, read, problem=f"The grader failed: {_told(error)}")

    def _key(
        self, template: Template, read: Submission, files: Mapping[str, bytes], moment: str
    ) -> str:
        """A digest of all that the scores depend on."""
        options = self.options
        held = [(name, sha256(data).hexdigest()) for name, data in sorted(files.items())]
        told = [VERSION, template.digest, read.digest, held, moment, options.seed]
        told += [self.isolation, asdict(options.limits)]
        return sha256(json.dumps(told).encode()).hexdigest()

    def _standing(self, task: _Task, key: str) -> Mapping[str, Any] | None:
        """The autograded notebook, if it is there and has this key."""
        try:
            notebook = json.loads(self._path("autograded", task).read_text(encoding="utf-8"))
            found: Mapping[str, Any] = notebook
            return found if notebook["metadata"]["autograder"]["key"] == key else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _record(self, ready: Iterable[_Judged]) -> None:
        """Tell the gradebook about some notebooks, in one transaction."""
        try:
            self._book.write(
                *(_record(j) for j in ready if not (j.problem or j.standing is not None))
            )
        except GradebookError as error:
            self.stopped = str(error)

    def _written(self, judged: _Judged) -> Outcome:
        task = judged.task
        if judged.problem:
            return self._failed(task, judged.problem)
        if self.stopped:
            return self._failed(task, self.stopped)
        try:
            return self._write(judged)
        except GradebookError as error:
            self.stopped = str(error)
        except OSError as error:
            why = f"{error.filename or 'A file'} cannot be written: {error.strerror}."
            if error.errno not in ENDS_THE_RUN:
                return self._failed(task, why)
            self.stopped = why
        except Exception as error:
            return self._failed(task, f"The grader failed: {_told(error)}")
        return self._failed(task, self.stopped)

    def _write(self, judged: _Judged) -> Outcome:
        task, read, verdict = judged.task, judged.submission, judged.verdict
        template, facts = self._notebooks[task.template.name]
        notebook = judged.standing
        if notebook is None:
            told = {"key": judged.key, "notebook": template.name, "seed": self.options.seed}
            notebook = report.autograded(template, read, verdict, facts.checksums, told)
        marks = self._book.marks(task.student, template.name)
        page = report.page(task.student, self.assignment, notebook, marks)
        self._put("feedback", task, f"{template.name}.html", page)
        for name in NBGRADER_FILES:
            text = judged.timestamp if name == "timestamp.txt" else _secret(task.folder)
            for step in ("feedback", "autograded") if text else ():
                self._put(step, task, name, text)
        if judged.standing is None:
            self._put_files(task)
            text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True)
            self._put("autograded", task, f"{template.name}.ipynb", f"{text}\n")
        state = "missing" if read.missing else "unread" if read.problem else "graded"
        problems = (read.problem,) if read.problem else verdict.problems if verdict else ()
        if judged.standing and state == "graded":
            state = "unchanged"
            problems = tuple(notebook["metadata"]["autograder"]["problems"])
        return Outcome(
            task.student,
            template.name,
            state,
            sum(mark.score for mark in marks.values()),
            _worth(template),
            tuple(_results(template, notebook)),
            read.repairs,
            problems,
            notebook["metadata"]["autograder"]["isolation"],
            verdict.seconds if verdict else 0.0,
            sum(mark.waiting for mark in marks.values()),
        )

    def _failed(self, task: _Task, why: str) -> Outcome:
        worth = _worth(task.template)
        return Outcome(task.student, task.template.name, "failed", 0.0, worth, problems=(why,))

    def _top(self, step: str) -> Path:
        return self.root / str(getattr(self._book.directory, f"{step}_directory"))

    def _path(self, step: str, task: _Task) -> Path:
        return self._book.folder(step, task.student) / f"{task.template.name}.ipynb"

    def _put(self, step: str, task: _Task, name: str, data: str | bytes) -> None:
        """Write a file whole or not at all, and only if it is another than the one there."""
        path = self._book.folder(step, task.student) / name
        # As nbgrader leaves them: what was graded is not for editing.
        mode = 0o444 if step == "autograded" else 0o644
        try:
            write_whole(path, data, room=self._top(step), mode=mode)
        except OSError as error:
            error.filename = str(path.relative_to(self.root))
            raise

    def _put_files(self, task: _Task) -> None:
        """Copy what lies beside the notebooks, as nbgrader does.

        Not what a browser would run: formgrader serves these files to the instructor.
        """
        home = self._book.folder("autograded", task.student)
        for name, data in {**_files_beside(task.folder), **self._files}.items():
            if ACTIVE.search(mimetypes.guess_type(name)[0] or ""):
                continue
            path = home / name
            for part in (*path.parents, path):  # what was a file may have become a folder
                if part.is_relative_to(home) and part != home:
                    if part.is_symlink() or (part != path and part.is_file()):
                        part.unlink()
                    elif part == path and part.is_dir():
                        shutil.rmtree(part)
            self._put("autograded", task, name, data)


def as_json(grading: Grading, outcomes: Sequence[Outcome], seconds: float) -> str:
    """The run as data, for other programs."""
    ordered = sorted(outcomes, key=lambda o: (o.student, o.notebook))
    states = [o.state for o in ordered]
    run = {
        "assignment": grading.assignment,
        "isolation": grading.isolation,
        "seed": grading.options.seed,
        "seconds": round(seconds, 3),
        "stopped": grading.stopped,
        "counts": {state: states.count(state) for state in sorted(set(states))},
        "submissions": [asdict(o) for o in ordered],
    }
    return json.dumps(run, indent=1, ensure_ascii=False) + "\n"


def exit_code(outcomes: Iterable[Outcome], stopped: str) -> int:
    """0 if everything was graded, 1 if something has a named failure, 3 if the run ended early."""
    if stopped:
        return 3
    return 1 if any(o.failed for o in outcomes) else 0


def _notebooks_of(
    source: Path, root: Path, wanted: Sequence[str], config: Any
) -> dict[str, tuple[Template, Released]]:
    """The notebooks of `source/`, or the wanted ones of them."""
    paths = {path.stem: path for path in sorted(source.glob("*.ipynb"))}
    if not paths:
        known = sorted({p.parent.name for p in source.parent.glob("*/*.ipynb")})
        near = get_close_matches(source.name, known, 1)
        raise AuthorError(
            str(source),
            "no notebook",
            f"an assignment that was built: {', '.join(near or known) or 'there is none yet'}",
            f"python -m autograder grade {near[0]}" if near else "python -m autograder build",
        )
    for name in wanted:
        if name not in paths:
            near = get_close_matches(name, paths, 1) or sorted(paths)
            raise AuthorError(
                str(source), f"no notebook {name!r}", f"one of {', '.join(paths)}",
                f"python -m autograder grade {source.name} --notebook {near[0]}",
            )  # fmt: skip
    found = {}
    for name in wanted or paths:
        facts = released(paths[name], config)
        found[name] = (submission.template(paths[name], facts.notebook, facts.shown), facts)
    return found


def _tasks(book: Book, templates: Sequence[Template], options: Options) -> list[_Task]:
    """What there is to grade: each wanted notebook of each student who handed something in."""
    top = book.folder("submitted", ".").parent
    students = sorted(p.name for p in _entries(top) if p.is_dir() or p.is_symlink())
    for student in options.students:
        if student not in students:
            near = get_close_matches(student, students, 1)
            raise AuthorError(
                str(top),
                f"no student {student!r}",
                f"one of the {len(students)} who handed in" + (f": {near[0]}" if near else ""),
                f"ls {top}",
            )
    tasks = []
    for student in options.students or students:
        folder = book.folder("submitted", student)
        problem = _wrong_with(folder, student)
        if problem or folder.is_dir():
            tasks += [_Task(student, template, folder, problem) for template in templates]
    if not tasks:
        raise AuthorError(
            str(top), f"no submission of {book.assignment}",
            f"{top.name}/STUDENT/{book.assignment}/NOTEBOOK.ipynb", "nbgrader collect fetches them",
        )  # fmt: skip
    return tasks


def _wrong_with(folder: Path, student: str) -> str:
    """Why a folder is not read, if so."""
    try:
        student.encode()
    except UnicodeEncodeError:
        return "The name of the student's folder is no text. Rename it."
    for path in (folder.parent, folder):
        if path.is_symlink():
            return f"{path.name} is a link to somewhere else. Hand in the folder itself."
    if folder.exists() and not folder.is_dir():
        return f"{folder.name} is no folder."
    if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK):
        return f"The folder {folder.name} may not be read."
    return ""


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    except OSError:
        return []


def _files_beside(folder: Path) -> dict[str, bytes]:
    """The plain files beside the notebooks, by their path from the folder; no link is followed."""
    found: dict[str, bytes] = {}
    left, room = [folder], MAX_FOLDER
    while left and len(found) < MAX_FILES:
        for path in _entries(left.pop(0)):
            name = path.relative_to(folder).as_posix()
            usual = re.fullmatch(r"[\w][\w .()+/-]{0,200}", name) is not None
            if path.suffix == ".ipynb" or name in NBGRADER_FILES or not usual:
                continue
            if path.is_symlink():
                continue
            if path.is_dir():
                if name.count("/") < 3:
                    left.append(path)
                continue
            with contextlib.suppress(Unreadable):
                data = submission.load(path, MAX_FILE)
                room -= len(data)
                if room < 0:
                    return found
                found[name] = data
    return found


def _clock(folder: Path) -> str:
    """What timestamp.txt says, if it is a date."""
    try:
        text = submission.load(folder / "timestamp.txt", 200).decode()
    except (Unreadable, UnicodeDecodeError):
        return ""
    return f"{text.strip()}\n" if timestamp(text) else ""


def _secret(folder: Path) -> str:
    """What nbgrader names the feedback by, so that only its student finds it."""
    try:
        text = submission.load(folder / "submission_secret.txt", 200).decode("ascii")
    except (Unreadable, UnicodeDecodeError):
        return ""
    return text if re.fullmatch(r"\w{16,200}\s*", text) else ""


def _record(judged: _Judged) -> Record:
    """What the gradebook is told about a judged notebook."""
    read, template = judged.submission, judged.task.template
    scores: dict[str, float | None] = {}
    waiting, unanswered = set(), set()
    results = dict(_by_check(judged))
    for slot in template.slots:
        if slot.role == "check":
            result = results.get(slot.id)
            scores[slot.id] = float(result.earned) if result else 0.0
        elif slot.role == "task":
            scores[slot.id] = 0.0 if read.missing else None
        elif slot.role == "answer":
            given = bool(read.problem) or read.answer_to(slot)
            scores[slot.id] = None if given and not read.missing else 0.0
        if slot.role in ("solution", "answer") and not read.problem:
            own = next((c for c in read.cells if c.slot is slot), None)
            if (
                own is not None
                and not own.answered
                and not (slot.role == "answer" and read.answer_to(slot))
            ):
                unanswered.add(slot.id)
    if read.problem and not read.missing:
        waiting = set(scores)
    moment = timestamp(judged.timestamp) if judged.timestamp else None
    return Record(
        judged.task.student,
        template.name,
        judged.key,
        read.digest,
        scores,
        frozenset(waiting),
        frozenset(unanswered),
        moment,
    )


def _by_check(judged: _Judged) -> Iterator[tuple[str, Result]]:
    if judged.verdict:
        steps = [s for s in judged.submission.steps if s.kind == "check"]
        for step, result in zip(steps, judged.verdict.results, strict=True):
            yield step.id, result


def _results(template: Template, notebook: Mapping[str, Any]) -> Iterator[Result]:
    points = {s.id: s.points for s in template.slots}
    for cell in notebook["cells"]:
        told = cell["metadata"].get("autograder", {})
        if "passed" in told:
            worth = points.get(cell["metadata"]["nbgrader"]["grade_id"], 0)
            yield Result(told["aspect"], worth, told["passed"], told["message"])


def _worth(template: Template) -> float:
    return float(sum(s.points for s in template.slots if s.role in ("check", "answer", "task")))


def _salt(seed: int, template: Template) -> int:
    """Moves the checks' seeds by something that only who has `source/` can know."""
    digest = sha256(f"{seed}/{template.digest}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _forbidden(template: Template) -> tuple[str, ...]:
    """The built-ins that `source/` forbids; other tools may have written so under their name."""
    for told in template.metadata.values():
        words = told.get("forbid", ()) if isinstance(told, Mapping) else ()
        if words:
            return tuple(words.split() if isinstance(words, str) else words)
    return ()


def _sweep(top: Path) -> None:
    """Take away what killed runs left half-written."""
    with contextlib.suppress(OSError):
        for path in top.glob(f"{PARTIAL}*"):
            process = path.name.removeprefix(PARTIAL).partition("-")[0]
            if not _lives(process) or time.time() - path.stat().st_mtime > 3600:
                path.unlink(missing_ok=True)


def _lives(process: str) -> bool:
    if os.name == "nt":  # there the same call would end the process
        return True
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except OSError:
        return True
    return True


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:4])
    return shown + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]
