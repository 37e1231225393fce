"""A fabricated class: students drawn from references, alternatives, mistakes and stubs."""

import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat

from autograder.authoring import reference
from autograder.authoring.build import text_of
from autograder.authoring.course import AuthorError, Exercise, read_course
from autograder.authoring.notebook import render, solved
from autograder.authoring.reference import Attempt
from autograder.grading import gradebook
from autograder.results import Result, total

FIRST = "Ada Bela Chen Dario Edda Femi Grace Hiro Ines Jun Kofi Lena Mira Noor Omar Pia".split()
LAST = "Adeyemi Bauer Costa Dubois Eriksen Farah Gupta Haddad Ivanova Jensen Kim Lopez Mora".split()
# Out of ten cells: so many solved as shown, solved otherwise, wrong, and left untouched.
HABITS = {"reference": 3, "alternative": 2, "mistake": 4, "stub": 1}


@dataclass(frozen=True)
class Handed:
    """One notebook that one student handed in, and what it should come to."""

    student: str
    exercise: Exercise
    attempts: tuple[Attempt, ...]
    results: tuple[Result, ...]

    @property
    def sentences(self) -> list[str]:
        return [a.sentence for a in self.attempts if a.sentence]


def fabricate(exercises: Sequence[Exercise], students: int, seed: int = 0) -> list[Handed]:
    """Draw a class; the same seed draws the same class."""
    handed = []
    for exercise in exercises:
        notebook = render(exercise)
        known = reference.attempts(exercise, notebook)
        cells = [cell.id for cell in notebook.cells if reference.is_solution(cell)]
        for student in names(students):
            draw = random.Random(f"{seed}/{student}/{exercise.id}")
            chosen = tuple(_draw_one(cell, known, draw) for cell in cells)
            mixed = merge(chosen)
            results = tuple(o.result for o in reference.run(notebook, mixed) if o.result.points)
            handed.append(Handed(student, exercise, chosen, results))
    return handed


def names(students: int) -> list[str]:
    """So many different student ids."""
    return [
        f"{FIRST[n % len(FIRST)]}_{LAST[(n + n // len(FIRST)) % len(LAST)]}".lower()
        + (f"_{n // (len(FIRST) * len(LAST)) + 1}" if n >= len(FIRST) * len(LAST) else "")
        for n in range(students)
    ]


def merge(attempts: Iterable[Attempt]) -> Attempt:
    """The attempts at several cells of one notebook as one attempt at the notebook."""
    sources = {cell: source for a in attempts for cell, source in (a.sources or {}).items()}
    return Attempt("mixed", "", sources)


def demo(
    course: Path,
    folder: Path,
    *,
    what: str | None = None,
    students: int = 6,
    notebooks: int = 4,
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> tuple[list[Handed], Mapping[str, Mapping[str, float]]]:
    """Fabricate a class in `folder`, let nbgrader grade it, and return what came of it."""
    exercises = _pick(read_course(course / "solutions").select(what), notebooks)
    section = exercises[0].section
    _empty(folder)
    for exercise in exercises:
        _write(folder / "source" / f"{exercise.id}.ipynb", render(exercise))
    say(f"{students} students hand in {len(exercises)} notebooks of {section} each.")
    handed = fabricate(exercises, students, seed)
    gradebook.generate(folder, section)
    for one in handed:
        _hand_in(folder, one)
    graded: dict[str, Mapping[str, float]] = {}
    for number, student in enumerate(names(students), 1):
        graded[student] = gradebook.grade_plainly(folder, section, student)
        earned = sum(graded[student].values())
        say(f"[{number}/{students}] {student}: {earned:g} points")
    return handed, graded


def agreement(handed: Iterable[Handed], graded: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The notebooks whose points in nbgrader's gradebook are not those of our own run."""
    wrong = []
    for one in handed:
        points = _points_of(graded[one.student], one.exercise)
        ours, _ = total(one.results)
        if sum(points.values()) != ours:
            wrong.append(f"{one.student}, {one.exercise.id}: {sum(points.values()):g}, not {ours}")
    return wrong


def misunderstandings(handed: Iterable[Handed]) -> list[tuple[str, int]]:
    """What the class got wrong, the most frequent first."""
    return Counter(s for one in handed for s in one.sentences).most_common()


def rows(
    handed: Iterable[Handed], graded: Mapping[str, Mapping[str, float]]
) -> list[tuple[str, dict[str, tuple[float, float]]]]:
    """By student and notebook: the points in the gradebook, and how many there are."""
    table: dict[str, dict[str, tuple[float, float]]] = {}
    for one in handed:
        earned = sum(_points_of(graded[one.student], one.exercise).values())
        table.setdefault(one.student, {})[one.exercise.name] = (earned, total(one.results)[1])
    return list(table.items())


def feedback_pages(handed: Iterable[Handed]) -> dict[tuple[str, str], str]:
    """Where the feedback of each student and notebook lies, seen from the report."""
    return {
        (one.student, one.exercise.name): f"feedback/{one.student}/{one.exercise.id}.html"
        for one in handed
    }


def _draw_one(cell: str, known: Sequence[Attempt], draw: random.Random) -> Attempt:
    kind = draw.choices(list(HABITS), weights=list(HABITS.values()))[0]
    fitting = [a for a in known if a.kind == kind and cell in (a.sources or {cell: ""})]
    attempt = draw.choice(fitting or [Attempt("reference")])
    sources = {c: s for c, s in (attempt.sources or {}).items() if c == cell}
    return replace(attempt, sources=sources)


def _pick(exercises: Sequence[Exercise], notebooks: int) -> list[Exercise]:
    """So many exercises of the first section among them, spread over it; a quiz if it has one."""
    found = [e for e in exercises if e.section == exercises[0].section]
    quizzes = [e for e in found if e.header.role == "quiz"]
    others = [e for e in found if e.header.role == "exercise"]
    room = max(notebooks - len(quizzes[:1]), 0)
    step = max(len(others) // room, 1) if room else 1
    return [*others[::step][:room], *quizzes[:1]][:notebooks] or found


def _empty(folder: Path) -> None:
    """Start afresh, in a folder that is ours."""
    mark = folder / ".fabricated"
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise AuthorError(
            str(folder),
            "a folder with something else in it",
            "a folder of an earlier demo, or none",
            "python -m autograder demo --folder another_name",
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mark.write_text("Made by `python -m autograder demo`; made anew by the next one.\n", "utf-8")


def _hand_in(folder: Path, handed: Handed) -> None:
    exercise = handed.exercise
    notebook = nbformat.read(folder / "release" / f"{exercise.id}.ipynb", as_version=4)
    whole = render(exercise)
    sources = {c.id: c.source for c in whole.cells if reference.is_solution(c)}
    sources |= dict(merge(handed.attempts).sources or {})
    for cell in notebook.cells:
        if cell.id in sources:
            cell.source = solved(sources[cell.id])
        elif cell.id.endswith("-names"):
            cell.source = cell.source.replace('NAME = ""', f'NAME = "{handed.student}"', 1)
    _write(folder / "submitted" / handed.student / f"{exercise.id}.ipynb", notebook)


def _write(path: Path, notebook: nbformat.NotebookNode) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text_of(notebook), encoding="utf-8")


def _points_of(points: Mapping[str, float], exercise: Exercise) -> dict[str, float]:
    notebook = f"{exercise.path.stem}/"
    return {cell: score for cell, score in points.items() if cell.startswith(notebook)}
