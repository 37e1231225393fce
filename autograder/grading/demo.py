"""A fabricated class: students drawn from references, alternatives, mistakes and stubs."""

import random
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autograder.authoring import reference
from autograder.authoring.build import read_notebook, release, text_of
from autograder.authoring.course import AuthorError, Exercise, read_course
from autograder.authoring.notebook import render, solved
from autograder.authoring.reference import Attempt
from autograder.files import write_whole
from autograder.grading import gradebook
from autograder.grading.grade import Outcome
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


@dataclass(frozen=True)
class Class:
    """A fabricated class in a folder of its own: what was handed in, and nothing graded yet."""

    folder: Path
    section: str
    handed: tuple[Handed, ...]


def fabricate_in(
    course: Path,
    folder: Path,
    *,
    what: str | None = None,
    students: int = 6,
    notebooks: int = 4,
    seed: int = 0,
) -> Class:
    """Write the notebooks of a class, as they lie there when it has handed in."""
    exercises = _pick(read_course(course / "solutions").select(what), notebooks)
    section = exercises[0].section
    _empty(folder)
    for exercise in exercises:
        write_whole(folder / "source" / f"{exercise.id}.ipynb", text_of(render(exercise)))
    release(folder, section)
    handed = fabricate(exercises, students, seed)
    for one in handed:
        hand_in(folder, one.student, one.exercise, merge(one.attempts))
    return Class(folder, section, tuple(handed))


def graded_plainly(made: Class) -> Iterator[Outcome]:
    """What `nbgrader autograde` gives the class, by notebook."""
    gradebook.generate(made.folder, made.section)
    for student in dict.fromkeys(one.student for one in made.handed):
        points = gradebook.grade_plainly(made.folder, made.section, student)
        for one in made.handed:
            if one.student == student:
                name, of = one.exercise.path.stem, total(one.results)[1]
                earned = sum(v for cell, v in points.items() if cell.startswith(f"{name}/"))
                yield Outcome(student, name, "graded", earned, of)


def disagreements(made: Class, outcomes: Iterable[Outcome]) -> list[str]:
    """The notebooks that did not get the points that were known beforehand."""
    found = {(o.student, o.notebook): o for o in outcomes}
    wrong = []
    for one in made.handed:
        outcome = found.get((one.student, one.exercise.path.stem))
        known, _ = total(one.results)
        earned = outcome.earned if outcome and not outcome.failed else None
        if earned != known:
            got = "no points" if earned is None else f"{earned:g}"
            wrong.append(f"{one.student}, {one.exercise.id}: {got}, not {known}")
        elif outcome and outcome.results:
            passed = {r.aspect for r in outcome.results if r.passed}
            odd = [r.aspect for r in one.results if r.passed is not (r.aspect in passed)]
            wrong += [f"{one.student}, {one.exercise.id}: {aspect!r}" for aspect in odd]
    return wrong


def misunderstandings(handed: Iterable[Handed]) -> list[tuple[str, int]]:
    """What the class got wrong, the most frequent first."""
    return Counter(s for one in handed for s in one.sentences).most_common()


def rows(outcomes: Iterable[Outcome]) -> list[tuple[str, dict[str, tuple[float, float]]]]:
    """By student and notebook: the points, and how many there are."""
    table: dict[str, dict[str, tuple[float, float]]] = {}
    for one in sorted(outcomes, key=lambda o: (o.student, o.notebook)):
        table.setdefault(one.student, {})[one.notebook] = (one.earned, one.points)
    return list(table.items())


def feedback_pages(made: Class) -> dict[tuple[str, str], str]:
    """Where the feedback of each student and notebook lies, seen from the report."""
    return {
        (one.student, one.exercise.path.stem): f"feedback/{one.student}/{one.exercise.id}.html"
        for one in made.handed
    }


def hand_in(root: Path, student: str, exercise: Exercise, attempt: Attempt) -> None:
    """Write into the released notebook what an attempt says, and submit it."""
    notebook = read_notebook(root / "release" / f"{exercise.id}.ipynb")
    sources = {c.id: c.source for c in render(exercise).cells if reference.is_solution(c)}
    sources |= dict(attempt.sources or {})
    for cell in notebook.cells:
        if cell.id in sources:
            cell.source = solved(sources[cell.id])
        elif cell.id.endswith("-names"):
            cell.source = cell.source.replace('NAME = ""', f'NAME = "{student}"', 1)
    write_whole(root / "submitted" / student / f"{exercise.id}.ipynb", text_of(notebook))


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
