"""The promises that a course keeps, each checked: what an author has to know before a release."""

import ast
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.utils import compute_checksum

from autograder import forbidden
from autograder.authoring import quiz, reference
from autograder.authoring.build import text_of
from autograder.authoring.course import AuthorError, Cell, Exercise, read_exercise
from autograder.authoring.notebook import render, solved, stub

MISTAKES, ALTERNATIVES = 5, 2  # at least, per code exercise
SECONDS = 20  # for one run of a graded notebook
SALTS = (0, 1, 2)  # a check that needs a lucky seed fails for one of them
SEEDS = 25  # variants of each quiz question; tests take more
# A line of a solution shorter than this says nothing: `n = len(x)` is in many prompts.
TELLING = 24


@dataclass(frozen=True)
class Promise:
    """One thing that should hold, whether it does, and what to do if not."""

    about: str
    text: str
    broken: str = ""
    then: str = ""

    @property
    def kept(self) -> bool:
        return not self.broken

    def __str__(self) -> str:
        line = f"{'kept  ' if self.kept else 'BROKEN'}  {self.about}  {self.text}"
        if self.kept:
            return line
        detail = "\n".join(f"        {part}" for part in self.broken.splitlines())
        return f"{line}\n{detail}\n        next: {self.then}"


def check(exercises: Sequence[Exercise], workers: int = 0) -> Iterator[list[Promise]]:
    """Check exercises side by side; yield the promises of each as it is done."""
    workers = workers or os.cpu_count() or 1
    paths = [e.path for e in exercises]
    if workers == 1 or len(paths) == 1:
        yield from map(check_file, paths)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), _one_thread) as pool:
        for done in as_completed([pool.submit(check_file, path) for path in paths]):
            yield done.result()


def check_file(path: Path) -> list[Promise]:
    """All promises of one exercise file."""
    try:
        exercise = read_exercise(path)
        notebook = render(exercise)
        return [
            *check_attempts(exercise, notebook),
            *check_idle(exercise, notebook),
            *check_forbidden(exercise, notebook),
            *check_coverage(exercise),
            *check_quiz(exercise),
            *check_generated(exercise, notebook),
        ]
    except AuthorError as error:
        about = f"{path.parent.name}/{path.stem}"
        return [Promise(about, "the file can be read", str(error), error.then)]


def check_attempts(exercise: Exercise, notebook: nbformat.NotebookNode) -> Iterator[Promise]:
    """The reference passes, the stub does not, and the other attempts do as they say."""
    promise = partial(_promise, exercise)
    for attempt in reference.attempts(exercise, notebook):
        problems: dict[str, None] = {}
        part = reference.question(notebook, attempt) if attempt.told else notebook
        clocks = time.monotonic, time.process_time
        began = [clock() for clock in clocks]
        for number, salt in enumerate(SALTS):
            outcomes = reference.run(part, attempt, salt)
            problems |= dict.fromkeys(_problems(attempt, outcomes))
            if attempt.kind == "reference" and not number:
                # On a busy machine a run takes longer than its own work does.
                took = min(clock() - start for clock, start in zip(clocks, began, strict=True))
                slow = [] if took <= SECONDS else [f"it took {took:.0f} s"]
                yield promise(f"a graded run takes at most {SECONDS} s", slow)
            if attempt.kind == "stub" or attempt.told:
                break
        texts = {
            "reference": "the reference passes every check",
            "stub": "the stub fails each aspect as not attempted yet",
            "alternative": f"{attempt} earns full points",
            "mistake": f"{attempt} fails what it says, and that alone",
        }
        yield promise(texts[attempt.kind], problems)


def check_idle(exercise: Exercise, notebook: nbformat.NotebookNode) -> Iterator[Promise]:
    """Whoever writes functions that do nothing earns nothing with them."""
    attempts = [reference.idle(notebook, body) for body in reference.IDLE]
    if not any(attempt.sources for attempt in attempts):
        return
    earned = [
        f"{outcome.result.aspect!r} is earned by functions that only `{attempt.name}`"
        for attempt in attempts
        for outcome in reference.run(notebook, attempt)
        if outcome.result.passed and outcome.result.aspect in attempt.fails
    ]
    yield _promise(exercise, "functions that do nothing earn nothing", earned)


def check_forbidden(exercise: Exercise, notebook: nbformat.NotebookNode) -> Iterator[Promise]:
    """What is forbidden exists, and no attempt of the file uses it."""
    if not exercise.forbid:
        return
    unknown = [f"PyTorch has no {word!r}" for word in forbidden.unknown(exercise.forbid)]
    yield _promise(exercise, "what it forbids is known", unknown)
    wanted = [name for cell in exercise.of("solution") for name in cell.defines]
    problems = []
    for attempt in reference.attempts(exercise, notebook):
        sources = attempt.sources or {}
        cells = [
            ast.parse(sources.get(cell.id, solved(cell.source)))
            for cell in notebook.cells
            if cell.cell_type == "code" and not cell.metadata.get("nbgrader", {}).get("grade")
        ]
        used = forbidden.uses(cells, wanted, exercise.forbid)
        problems += [f"{attempt} uses {word}" for word in used]
    yield _promise(exercise, "no attempt uses what it forbids", problems)


def check_coverage(exercise: Exercise) -> Iterator[Promise]:
    """There are enough mistakes and alternatives, and an own mistake for each aspect."""
    promise = partial(_promise, exercise)
    mistakes, alternatives = exercise.of("mistake"), exercise.of("alternative")
    if exercise.of("solution"):
        few = [f"there are {len(mistakes)}"] if len(mistakes) < MISTAKES else []
        yield promise(f"at least {MISTAKES} mistakes", few)
    if any(_is_code(cell) for cell in exercise.of("solution")):
        few = [f"there are {len(alternatives)}"] if len(alternatives) < ALTERNATIVES else []
        yield promise(f"at least {ALTERNATIVES} alternatives", few)
    alone = {aspect for cell in mistakes if len(cell.fails) == 1 for aspect in cell.fails}
    for cell in exercise.of("hidden"):
        aspect = cell.options["aspect"]
        missing = [] if aspect in alone else ["none has fails= with this aspect alone"]
        yield promise(f"a mistake that only {aspect!r} catches", missing)


def check_quiz(exercise: Exercise, seeds: int = SEEDS) -> Iterator[Promise]:
    """Every key has evidence, and both hold for every variant drawn."""
    promise = partial(_promise, exercise)
    for item in quiz.items(exercise):
        problems: list[str] = []
        for seed in range(seeds):
            problems = quiz_problems(item, seed)
            if problems:
                break
        missing = [] if item.evidence else ["a key that nobody watched may be wrong"]
        yield promise(f"{item.id} has evidence", missing)
        yield promise(f"{item.id} holds for {seeds} variants", problems)


def check_generated(exercise: Exercise, notebook: nbformat.NotebookNode) -> Iterator[Promise]:
    """`source/` and `release/` are there, current, and the release gives nothing away."""
    promise = partial(_promise, exercise, then="python -m autograder build")
    root = exercise.path.parent.parent.parent
    source = root / "source" / f"{exercise.id}.ipynb"
    released = root / "release" / f"{exercise.id}.ipynb"
    current = source.is_file() and source.read_text(encoding="utf-8") == text_of(notebook)
    yield promise("source/ is current", [] if current else [f"{source} is not"])
    if not released.is_file():
        yield promise("release/ is there", [f"{released} is not"])
        return
    text = released.read_text(encoding="utf-8")
    yield _promise(exercise, "release/ gives nothing away", leaks(exercise, text))


def quiz_problems(item: quiz.Item, seed: int) -> list[str]:
    """What is wrong with one variant of a question."""
    variant = quiz.variant(item, seed)
    if item.kind == "numeric":
        margin = 2 * variant.rtol
        numbers = {"the answer": variant.answer} | variant.slips
        for (why, one), (other_why, other) in combinations(numbers.items(), 2):
            if abs(one - other) <= margin * max(abs(one), abs(other)):
                return [f"seed {seed}: {other} ({other_why}) is as good as {one} ({why})"]
    for cell in item.evidence:
        names = quiz.namespace(item, seed) | dict(variant.names)
        problem = _evidence_problem(cell, names, seed)
        if problem:
            return [problem]
    return []


def leaks(exercise: Exercise, released: str) -> list[str]:
    """What a released notebook tells that it should not."""
    notebook = nbformat.reads(released, as_version=4)
    # What students are given anyway cannot leak.
    given = set(_given_lines(exercise))
    lines = [line.strip() for cell in notebook.cells for line in cell.source.splitlines()]
    shown = "\n".join(line for line in lines if line not in given)
    found = [
        f"the line {line!r}"
        for line in dict.fromkeys(_secret_lines(exercise))
        if len(line) >= TELLING and line not in given and line in shown
    ]
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader", {})
        if marks.get("checksum", "") not in ("", compute_checksum(cell) if marks else ""):
            found.append(f"{cell.id}: a checksum that is not of what it shows")
        if set(cell.metadata) - {"nbgrader", "tags", "editable", "deletable"}:
            found.append(f"{cell.id}: metadata {sorted(cell.metadata)}")
        if cell.get("outputs"):
            found.append(f"{cell.id}: outputs")
    if re.search(r"BEGIN (HIDDEN|SOLUTION|MARK)", released):
        found.append("a marker that nbgrader should have cut")
    visible = {number for line in given for number in NUMBER.findall(line)}
    for number in sorted(_secret_numbers(exercise) - visible):
        if re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", shown):
            found.append(f"the number {number}")
    return found


NUMBER = re.compile(r"(?<![\w.])\d*\.\d{3,}(?:e-?\d+)?|(?<![\w.])\d{5,}(?![\w.])")


def _problems(attempt: reference.Attempt, outcomes: Iterable[reference.Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        result = outcome.result
        said = f"{result.aspect!r}: {result.message or 'passes'}"
        should_fail = result.aspect in attempt.fails
        if not result.passed and not outcome.fair:
            yield f"the check itself breaks: {said}"
        elif attempt.kind in ("reference", "alternative"):
            if not result.passed:
                yield said
        elif attempt.kind == "stub":
            if result.points and "ttempted" not in result.message:
                yield said
        elif result.points and should_fail is bool(result.passed):
            yield f"should {'fail' if should_fail else 'pass'} {said}"
        elif attempt.told and should_fail and attempt.sentence not in result.message:
            yield f"should be told {attempt.sentence!r}, not {said}"
        elif not result.passed and not _teaches(result.message):
            yield f"should say wanted, got and what to think of, calmly: {said}"


def _teaches(message: str) -> bool:
    """Whether a comparison says all that a student needs, and does not shout."""
    parts = ("\n  wanted ", "\n  got ", "\nThink: ")
    whole = all(part in message for part in parts) or not message.startswith("When ")
    return whole and "!" not in message.replace("!=", "")


def _evidence_problem(cell: Cell, names: dict[str, Any], seed: int) -> str:
    import torch

    torch.manual_seed(seed)
    try:
        quiz.run_cell(cell, names)
    except Exception as error:
        where = f"line {cell.line}, seed {seed}"
        return f"the evidence of {where} does not hold: {type(error).__name__} {error}"
    return ""


def _given_lines(exercise: Exercise) -> Iterator[str]:
    """The lines of prompts, given code, visible checks, stubs and questions."""
    for cell in exercise.cells:
        if cell.role in ("exercise", "quiz", "", "check"):
            yield from (line.strip() for line in cell.source.splitlines())
        elif cell.role == "solution":
            yield from (line.strip() for line in stub(cell.source).splitlines())
    for item in quiz.items(exercise):
        drawn = quiz.variant(item, exercise.seed)
        texts = [
            drawn.prompt,
            *(f"- **{letter})** {o.text}" for letter, o in drawn.letters.items()),
        ]
        yield from (line.strip() for text in texts for line in text.splitlines())


def _secret_lines(exercise: Exercise) -> Iterator[str]:
    for cell in exercise.cells:
        if cell.role == "solution":
            inside = False
            for line in cell.source.splitlines():
                inside = (inside or "BEGIN SOLUTION" in line) and "END SOLUTION" not in line
                if inside:
                    yield line.strip()
        elif cell.role in ("hidden", "mistake", "alternative", "key", "evidence", "setup"):
            yield from (line.strip() for line in cell.source.splitlines())
    for item in quiz.items(exercise):
        yield from (option.why for option in quiz.variant(item, exercise.seed).options)
        yield from (criterion for _, criterion in item.rubric)


def _secret_numbers(exercise: Exercise) -> set[str]:
    """Numbers with enough digits to be a result, in solutions, hidden checks and keys."""
    secret = {number for line in _secret_lines(exercise) for number in NUMBER.findall(line)}
    for item in quiz.items(exercise):
        if item.kind == "numeric":
            secret |= set(NUMBER.findall(repr(quiz.variant(item, exercise.seed).answer)))
    return secret


def _promise(exercise: Exercise, text: str, problems: Iterable[str], then: str = "") -> Promise:
    command = then or f"edit {exercise.path}, then: python -m autograder check {exercise.id}"
    return Promise(exercise.id, text, "\n".join(problems), command)


def _is_code(cell: Cell) -> bool:
    return any(isinstance(n, ast.FunctionDef | ast.ClassDef) for n in cell.tree.body)


def _one_thread() -> None:
    """Two workers with two threads each would get in each other's way on two cores."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
