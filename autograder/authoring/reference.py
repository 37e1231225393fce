"""Run an exercise's notebook in this process: with its reference, or with another attempt."""

import ast
import contextlib
import io
import linecache
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from nbformat import NotebookNode

from autograder.authoring import quiz
from autograder.authoring.course import Cell, Exercise, bound, read_exercise
from autograder.authoring.notebook import cell_id, solved, stub
from autograder.expect import Mistake
from autograder.results import Result, explain

TIME_LIMIT = 60  # seconds for one cell; a graded notebook has 20, and machines differ


@dataclass(frozen=True)
class Attempt:
    """What stands in the solution cells of one notebook, and what it should lose."""

    kind: str
    name: str = ""
    sources: Mapping[str, str] | None = None
    fails: frozenset[str] = frozenset()
    sentence: str = ""
    told: bool = False  # whether the check itself says the sentence, as a quiz's does

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()


@dataclass(frozen=True)
class Outcome:
    """A result, and whether a student can use its message.

    That is not so when the check itself broke: an exception that no `expect` raised and that does
    not come out of a solution cell.
    """

    result: Result
    fair: bool = True


def attempts(exercise: Exercise, notebook: NotebookNode) -> list[Attempt]:
    """The reference, the stub, and every alternative and mistake that the file knows of."""
    stubs = {cell.id: stub(cell.source) for cell in notebook.cells if is_solution(cell)}
    found = [Attempt("reference"), Attempt("stub", "", stubs)]
    for cell in exercise.of("alternative", "mistake"):
        home = exercise.solution_of(cell.options["of"])
        sources = {cell_id(exercise, home.defines[0]): _in_place_of(home, cell)}
        wrong = cell.role == "mistake"
        fails, sentence = (cell.fails, cell.sentence) if wrong else (frozenset(), "")
        found.append(Attempt(cell.role, cell.defines[-1], sources, fails, sentence))
    for item in quiz.items(exercise):
        for answer, sentence in _wrong_answers(quiz.variant(item, exercise.seed)).items():
            sources = {cell_id(exercise, item.id): f"{item.variable} = {answer}"}
            name = f"{item.variable} = {answer}"
            found.append(Attempt("mistake", name, sources, frozenset({item.id}), sentence, True))
    return found


IDLE = ("return None", "raise ValueError('not now')", "raise RuntimeError('not now')")


def idle(notebook: NotebookNode, body: str) -> Attempt:
    """An attempt whose functions do nothing but `body`; it fails what asks for any of them.

    The stub says that it is not attempted yet, so it earns nothing anywhere. This one is what a
    student could hand in to collect the points of "the arguments are left as they were".
    """
    sources, names = {}, set()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in filter(is_solution, code):
        tree = ast.parse(solved(cell.source))
        functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
        for function in functions:
            function.body = ast.parse("pass" if function.name == "__init__" else body).body
        if functions:
            sources[cell.id] = ast.unparse(tree)
            heads = (n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef))
            names |= {head.name for head in heads}
    asking = {
        aspect_of(cell)
        for cell in code
        if is_check(cell)
        and cell.metadata.nbgrader.points
        and names & {n.id for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Name)}
    }
    return Attempt("idle", body, sources, frozenset(asking))


def is_solution(cell: NotebookNode) -> bool:
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def is_check(cell: NotebookNode) -> bool:
    marks = cell.metadata.get("nbgrader", {})
    return bool(cell.cell_type == "code" and marks.get("grade") and not marks.get("solution"))


def run(notebook: NotebookNode, attempt: Attempt | None = None, salt: int = 0) -> list[Outcome]:
    """Execute the cells in order, as a kernel would, and tell how each check came out.

    Every check starts from the names that the cells above it left, without those of other checks:
    aspects are graded each for itself. A salt moves all random seeds.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    sources = (attempt.sources if attempt else None) or {}
    outcomes: list[Outcome] = []
    broken: dict[str, BaseException] = {}
    with _quiet(), _salted(salt):
        for cell in notebook.cells:
            if cell.cell_type != "code":
                continue
            source = sources.get(cell.id, solved(cell.source))
            filename = f"<{'student' if is_solution(cell) else 'course'}: {cell.id}>"
            grade = cell.metadata.get("nbgrader", {}).get("grade")
            error = _execute(source, filename, dict(names) if grade else names)
            if grade:
                outcomes.append(_outcome(cell, error, broken))
            elif error:
                broken |= dict.fromkeys(bound(ast.parse(source).body), error)
    return outcomes


def rerun(notebook: NotebookNode, salts: Iterable[int]) -> Iterator[tuple[int, Outcome]]:
    """Each check of the reference with each salt; what stands between them is executed once."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in (c for c in notebook.cells if c.cell_type == "code"):
        check = is_check(cell)
        for salt in salts if check else (0,):
            with _quiet(), _salted(salt):
                space = dict(names) if check else names
                error = _execute(solved(cell.source), f"<course: {cell.id}>", space)
            if check:
                yield salt, _outcome(cell, error, {})
            elif error:
                raise error


def question(notebook: NotebookNode, attempt: Attempt) -> NotebookNode:
    """The part of a notebook that an answer to one question can matter to: its own cells.

    An answer is a number or letters; no other cell reads it.
    """
    names = {
        name for text in (attempt.sources or {}).values() for name in bound(ast.parse(text).body)
    }
    asked = re.compile(rf"\b({'|'.join(names)})\b")
    cells = [c for c in notebook.cells if c.cell_type == "code" and asked.search(c.source)]
    return NotebookNode({**notebook, "cells": cells})


def aspect_of(cell: NotebookNode) -> str:
    """The aspect that a grade cell checks; the name of the cell if it is worth nothing."""
    marks = cell.metadata.nbgrader
    title = cell.source.splitlines()[0].split(": ", 1)[1] if marks.points else marks.grade_id
    return str(title)


def of_the_running_script() -> SimpleNamespace:
    """The names that the solution cells of the script being run define."""
    script = Path(sys.modules["__main__"].__file__ or "")
    names: dict[str, Any] = {"__name__": "reference"}
    for cell in read_exercise(script).of("", "solution"):
        exec(compile(solved(cell.source), str(script), "exec"), names)
    return SimpleNamespace(**names)


def _outcome(
    cell: NotebookNode, error: BaseException | None, broken: Mapping[str, BaseException]
) -> Outcome:
    aspect, points = aspect_of(cell), cell.metadata.nbgrader.points
    if isinstance(error, NameError) and error.name and error.name in broken:
        error = broken[error.name]
    if error is None:
        return Outcome(Result(aspect, points, True))
    taught = isinstance(error, Mistake | TimeoutError) or _is_of_the_student(error)
    return Outcome(Result(aspect, points, False, explain(error)), taught)


def _execute(source: str, filename: str, names: dict[str, Any]) -> BaseException | None:
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    try:
        with _time_limit(TIME_LIMIT):
            exec(compile(source, filename, "exec"), names)
    except Exception as error:
        return error
    return None


def _is_of_the_student(error: BaseException) -> bool:
    trace = error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename.startswith("<student"):
            return True
        trace = trace.tb_next
    return isinstance(error, SyntaxError)


def _in_place_of(home: Cell, other: Cell) -> str:
    """The solution cell `home` with another definition of one of its names."""
    of, last = str(other.options["of"]), other.tree.body[-1]
    assert isinstance(last, ast.FunctionDef | ast.ClassDef)
    if last.name == of:
        raise other.error(f"the name {of!r} itself", "a name that says what is special about it")
    source = solved(home.source)
    old = next((n for n in ast.parse(source).body if getattr(n, "name", None) == of), None)
    if old is None:  # the solution is a value: the function computes another one
        value = f"{_without_docstring(other.source, last)}\n\n\n{of} = {last.name}()"
        return value if home.defines == (of,) else f"{source}\n\n\n{value}"
    assert isinstance(old, ast.FunctionDef | ast.ClassDef)
    new = re.sub(rf"\b{last.name}\b", of, _without_docstring(other.source, last))
    lines = source.splitlines()
    first = min([old.lineno, *(d.lineno for d in old.decorator_list)]) - 1
    return "\n".join([*lines[:first], new, *lines[old.end_lineno :]])


def _without_docstring(source: str, definition: ast.FunctionDef | ast.ClassDef) -> str:
    if ast.get_docstring(definition) is None:
        return source
    text, lines = definition.body[0], source.splitlines()
    return "\n".join([*lines[: text.lineno - 1], *lines[text.end_lineno :]])


def _wrong_answers(drawn: quiz.Variant) -> dict[str, str]:
    """What students answer who are wrong in a known way, and what each of them should read."""
    if drawn.item.kind == "numeric":
        return {repr(slip): why for why, slip in drawn.slips.items()}
    found = {}
    for letter, option in drawn.letters.items():
        if len(drawn.right) == 1 and not option.right:
            found[letter] = option.why
        elif len(drawn.right) > 1:
            chosen = set(drawn.right) ^ {letter}
            found["".join(sorted(chosen))] = "" if option.right else option.why
    return {f'"{letters}"': why for letters, why in found.items()}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what cells print and warn of to themselves, and draw figures nowhere."""
    with (
        warnings.catch_warnings(action="ignore"),
        patch.dict(os.environ, {"MPLBACKEND": "Agg"}),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@contextlib.contextmanager
def _salted(salt: int) -> Iterator[None]:
    """Move every seed that cells set, so that no check can depend on a lucky one."""
    from autograder.randomness import NUMPY_SEED, PYTHON_SEED, TORCH_SEED, mixed, moving

    with moving(lambda seed: None if seed is None else mixed(seed, salt)):
        for set_seed in (TORCH_SEED, PYTHON_SEED, NUMPY_SEED):
            set_seed(mixed(0, salt))
        yield


@contextlib.contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    """Stop code that does not end; where there are no signals, wait for it."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() != threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
