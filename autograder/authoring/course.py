"""Read exercise files: percent-format scripts whose cell titles are roles."""

import ast
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

LEVELS = ("remember", "understand", "apply", "analyze", "evaluate", "create")
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
EXERCISE_FILE = "[0-9][0-9]_*.py"
SECTION_FOLDER = "[0-9][0-9]_*"


class Role(NamedTuple):
    """How cells of one role are written."""

    kinds: str = "code"
    needs: frozenset[str] = frozenset()
    allows: frozenset[str] = frozenset()


TERM = "term.toml"  # beside the sections: what changes from term to term
HEADER = frozenset({"items", "stars", "minutes", "level", "goal"})
FORBID = frozenset({"forbid"})
ITEM = frozenset({"id", "points"})
TAGS = frozenset({"items", "level", "goal", "objective", "stars"})
ROLES: Mapping[str, Role] = {
    "exercise": Role("markdown", HEADER, FORBID | {"objective"}),
    "quiz": Role("markdown", HEADER, frozenset({"objective"})),
    "": Role("code markdown"),
    "solution": Role(),
    "check": Role(),
    "hidden": Role(needs=frozenset({"aspect", "points"})),
    "mistake": Role(needs=frozenset({"of", "fails"})),
    "alternative": Role(needs=frozenset({"of"})),
    "setup": Role(allows=frozenset({"of"})),
    "choice": Role("markdown", ITEM, TAGS),
    "numeric": Role("markdown", ITEM, TAGS | {"rtol"}),
    "text": Role("markdown", ITEM, TAGS),
    "key": Role(),
    "evidence": Role(),
}


class AuthorError(Exception):
    """A file of the course is malformed: where, what was found, what was expected, what to do."""

    def __init__(self, where: str, found: str, expected: str, then: str) -> None:
        self.where, self.found, self.expected, self.then = where, found, expected, then
        super().__init__(
            f"{where}\n  found     {found}\n  expected  {expected}\n  next      {then}"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Cross from a worker process whole."""
        return type(self), (self.where, self.found, self.expected, self.then)


@dataclass(frozen=True, eq=False)
class Cell:
    """One cell of an exercise file, as its author wrote it."""

    path: Path
    number: int
    line: int
    role: str
    kind: str
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def error(self, found: str, expected: str, line: int | None = None) -> AuthorError:
        role = f", {self.role}" if self.role else ""
        where = f"{self.path}, cell {self.number} (line {line or self.line}{role})"
        exercise = f"{self.path.parent.name}/{self.path.stem}"
        return AuthorError(
            where, found, expected, f"edit the cell, then: python -m autograder check {exercise}"
        )

    @cached_property
    def tree(self) -> ast.Module:
        try:
            return ast.parse(self.source)
        except SyntaxError as error:
            line = self.line + (error.lineno or 1)
            raise self.error(f"{error.msg}: {(error.text or '').strip()}", "Python", line) from None

    @cached_property
    def defines(self) -> tuple[str, ...]:
        """The names that the cell's own statements bind, in order; imports aside."""
        return tuple(dict.fromkeys(bound(self.tree.body)))

    @cached_property
    def fails(self) -> frozenset[str]:
        """The aspects that a mistake says it loses."""
        return frozenset(part.strip() for part in str(self.options["fails"]).split(";"))

    @cached_property
    def sentence(self) -> str:
        """What a mistake's docstring says to its author."""
        last = self.tree.body[-1]
        assert isinstance(last, ast.FunctionDef | ast.ClassDef)
        return " ".join((ast.get_docstring(last) or "").split())


@dataclass(frozen=True, eq=False)
class Exercise:
    """One file of the course: an exercise or a quiz."""

    path: Path
    cells: tuple[Cell, ...]
    seed: int = 0  # draws the variants of its questions in this term

    @property
    def section(self) -> str:
        return self.path.parent.name

    @property
    def id(self) -> str:
        return f"{self.section}/{self.path.stem}"

    @property
    def name(self) -> str:
        return self.path.stem.split("_", 1)[1]

    @property
    def header(self) -> Cell:
        return self.cells[0]

    @property
    def title(self) -> str:
        return self.header.source.lstrip().splitlines()[0].lstrip("# ").strip()

    @property
    def items(self) -> tuple[int, ...]:
        """The numbers of the inventory that the file covers, its quiz items' own included."""
        numbers = [n for cell in self.cells for n in _numbers(cell)]
        return tuple(dict.fromkeys(numbers))

    @property
    def forbid(self) -> tuple[str, ...]:
        """The built-ins that would do the work of the exercise."""
        return tuple(str(self.header.options.get("forbid", "")).split())

    def of(self, *roles: str, kind: str = "code") -> list[Cell]:
        return [c for c in self.cells if c.role in roles and c.kind == kind]

    def solution_of(self, name: str) -> Cell:
        """The solution cell that defines `name`."""
        return next(c for c in self.of("solution") if name in c.defines)


@dataclass(frozen=True)
class Course:
    """All exercises below one folder, in order."""

    root: Path
    exercises: tuple[Exercise, ...]

    def select(self, what: str | None = None) -> tuple[Exercise, ...]:
        """The exercises of a section, the one exercise, or all."""
        if not what:
            return self.exercises
        what = what.removeprefix("solutions/").removesuffix(".py").strip("/")
        found = [e for e in self.exercises if what in (e.section, e.id, e.path.stem, e.name)]
        if not found:
            known = {n for e in self.exercises for n in (e.section, e.id, e.path.stem, e.name)}
            sections = ", ".join(dict.fromkeys(e.section for e in self.exercises)) or "none yet"
            raise AuthorError(
                str(self.root),
                f"no section or exercise named {what!r}",
                f"{_nearest(what, known)}the sections are: {sections}",
                f"python -m autograder new {what if '/' in what else '02_section/01_name'}",
            )
        return tuple(found)


def read_course(solutions: Path) -> Course:
    """Read every exercise file below `solutions`."""
    if not solutions.is_dir():
        raise AuthorError(
            str(solutions), "no such folder", "a course: solutions/NN_section/NN_exercise.py",
            "change to the course's folder, or: python -m autograder new 01_section/01_name",
        )  # fmt: skip
    paths = sorted(solutions.glob(f"{SECTION_FOLDER}/{EXERCISE_FILE}"))
    exercises = tuple(read_exercise(path) for path in paths)
    seen: dict[tuple[str, str], Exercise] = {}
    for exercise in exercises:
        twin = seen.setdefault((exercise.section, exercise.name), exercise)
        if twin is not exercise:
            raise exercise.header.error(
                f"the name {exercise.name!r}, which {twin.path} has too",
                "a name of its own: it names the notebook's cells",
            )
    return Course(solutions, exercises)


def read_exercise(path: Path) -> Exercise:
    """Read one exercise file and refuse what is malformed."""
    import jupytext  # half a second that a help text can do without

    text = path.read_text(encoding="utf-8")
    lines = [n for n, line in enumerate(text.splitlines(), 1) if line.startswith("# %%")]
    notebook = jupytext.reads(text, fmt="py:percent")
    if len(notebook.cells) != len(lines) or not lines:
        raise AuthorError(
            str(path), "text outside of cells" if lines else "no cell",
            "a file that opens with a cell: # %% exercise [markdown] …",
            f"python -m autograder new {path.parent.name}/{path.stem} shows a whole one",
        )  # fmt: skip
    cells = tuple(
        _read_cell(path, number, line, raw)
        for number, (line, raw) in enumerate(zip(lines, notebook.cells, strict=True), 1)
    )
    exercise = Exercise(path, cells, read_seed(path.parent.parent))
    _check_header(exercise)
    _check_solutions(exercise)
    _check_aspects(exercise)
    _check_variants(exercise)
    return exercise


def read_seed(solutions: Path) -> int:
    """The number that draws this term's variants of all questions; 0 where none is written."""
    path = solutions / TERM
    if not path.is_file():
        return 0
    try:
        seed = tomllib.loads(path.read_text(encoding="utf-8"))["seed"]
    except (tomllib.TOMLDecodeError, KeyError) as error:
        seed = error
    if type(seed) is not int or seed < 0:
        raise AuthorError(
            str(path), repr(seed), "one line: seed = a whole number, 0 or above",
            "python -m autograder build --seed 1 writes it",
        )  # fmt: skip
    return seed


def _read_cell(path: Path, number: int, line: int, raw: Any) -> Cell:
    options = dict(raw.metadata)
    for internal in ("lines_to_next_cell", "lines_to_end_of_cell_marker", "cell_marker"):
        options.pop(internal, None)
    role = options.pop("title", "").strip()
    cell = Cell(path, number, line, role, raw.cell_type, raw.source, options)
    if role not in ROLES:
        known = ", ".join(name for name in ROLES if name)
        raise cell.error(f"the role {role!r}", f"{_nearest(role, ROLES)}a role: {known}")
    rules = ROLES[role]
    if cell.kind not in rules.kinds:
        mark = "with [markdown] after its role" if rules.kinds == "markdown" else "no [markdown]"
        raise cell.error(f"a {cell.kind} cell", f"a {rules.kinds} cell, {mark}")
    for option in options.keys() - rules.needs - rules.allows:
        known = ", ".join(sorted(rules.needs | rules.allows)) or "none"
        near = _nearest(option, rules.needs | rules.allows)
        raise cell.error(f"the option {option!r}", f"{near}the options of this role: {known}")
    for option in sorted(rules.needs - options.keys()):
        raise cell.error(f"no {option}", f"{option}=… beside the role")
    if "points" in options and (type(options["points"]) is not int or options["points"] < 1):
        raise cell.error(f"points={options['points']!r}", "whole points, at least 1")
    if "level" in options and options["level"] not in LEVELS:
        near = _nearest(str(options["level"]), LEVELS)
        raise cell.error(f"level={options['level']!r}", f"{near}one of {', '.join(LEVELS)}")
    if not all(re.fullmatch(r"[0-9]+", n) for n in str(options.get("items", "")).split()):
        raise cell.error(f"items={options['items']!r}", 'numbers of the inventory: items="14 15"')
    if cell.kind == "code":
        _ = cell.tree
    return cell


def _check_header(exercise: Exercise) -> None:
    header, *others = exercise.cells
    if header.role not in ("exercise", "quiz"):
        raise header.error(
            f"a first cell with the role {header.role!r}", "the role exercise or quiz"
        )
    for other in others:
        if other.role in ("exercise", "quiz"):
            raise other.error(f"a second {other.role} cell", "one, at the top of the file")
    if not header.source.lstrip().startswith("# "):
        raise header.error("a prompt without a title", "a first line such as: # Clip by norm")
    if header.options["stars"] not in (1, 2, 3):
        raise header.error(f"stars={header.options['stars']!r}", "1, 2 or 3")
    minutes = header.options["minutes"]
    if type(minutes) is not int or minutes < 1:
        raise header.error(f"minutes={minutes!r}", "the whole minutes that a student needs")
    _check_forbid(header)


def _check_forbid(header: Cell) -> None:
    if "forbid" not in header.options:
        return
    told = header.options["forbid"]
    wanted = 'names of built-ins, in PyTorch\'s spelling for functions: forbid="batch_norm dropout"'
    if not isinstance(told, str) or not told.split():
        raise header.error(f"forbid={told!r}", wanted)
    words = told.split()
    for word in words:
        # A name that says little would forbid much: `norm` is in layer_norm and in vector_norm.
        if not re.fullmatch(r"[a-z][a-z0-9]+(_[a-z0-9]+)*", word):
            raise header.error(f"forbid={told!r}, with the word {word!r}", wanted)
        if words.count(word) > 1:
            raise header.error(f"{word!r} twice in forbid={told!r}", "each name once")


def _check_solutions(exercise: Exercise) -> None:
    solutions = exercise.of("solution")
    if exercise.header.role == "exercise" and not solutions:
        raise exercise.header.error("no solution cell", "a cell: # %% solution")
    owner: dict[str, Cell] = {}
    for cell in solutions:
        marks = [line.strip() for line in cell.source.splitlines() if line.strip() in (BEGIN, END)]
        if not marks or marks != [BEGIN, END] * (len(marks) // 2):
            raise cell.error(
                f"the markers {', '.join(marks) or 'missing'}",
                f"the part that students write between {BEGIN} and {END}",
            )
        for name in cell.defines:
            if name in owner:
                raise cell.error(
                    f"{name!r}, which cell {owner[name].number} defines too", "one solution a name"
                )
            owner[name] = cell
    if solutions and not exercise.of("check"):
        raise solutions[0].error("no check", "a visible check after it: # %% check")
    if solutions and not exercise.of("hidden"):
        raise solutions[0].error("no hidden check", 'at least one: # %% hidden aspect="…" points=1')


def _check_aspects(exercise: Exercise) -> None:
    seen: dict[str, Cell] = {}
    for cell in exercise.of("hidden"):
        aspect = str(cell.options["aspect"]).strip()
        if not aspect or ";" in aspect:
            raise cell.error(f"aspect={aspect!r}", "a sentence without a semicolon")
        if aspect in seen:
            raise cell.error(
                f"the aspect {aspect!r}, which cell {seen[aspect].number} has too",
                "a name of its own for each aspect",
            )
        seen[aspect] = cell
    for cell in exercise.of("hidden", "check"):
        last = cell.tree.body[-1] if cell.tree.body else None
        if isinstance(last, ast.Expr) and not _is_call_of_expect(last.value):
            line = cell.line + last.lineno
            raise cell.error(
                f"a last line that is a value: {ast.unparse(last)}",
                "a call of expect.…, or an assignment: nbgrader reads a last value as points",
                line,
            )


def _check_variants(exercise: Exercise) -> None:
    names = [name for cell in exercise.of("solution") for name in cell.defines]
    aspects = [str(cell.options["aspect"]) for cell in exercise.of("hidden")]
    seen: dict[str, Cell] = {}
    for cell in exercise.of("mistake", "alternative"):
        of = str(cell.options["of"])
        if of not in names:
            raise cell.error(f"of={of!r}", f"{_nearest(of, names)}a solution: {', '.join(names)}")
        last = cell.tree.body[-1] if cell.tree.body else None
        if not isinstance(last, ast.FunctionDef | ast.ClassDef):
            raise cell.error(
                "a cell that does not end with a function or a class",
                f"the whole of {of!r} under a name that says what is special about it",
            )
        if last.name in seen:
            raise cell.error(
                f"{last.name!r}, which cell {seen[last.name].number} has too", "another name"
            )
        seen[last.name] = cell
        if cell.role == "alternative":
            continue
        for aspect in cell.fails:
            if aspect not in aspects:
                raise cell.error(
                    f"fails={aspect!r}",
                    f"{_nearest(aspect, aspects)}an aspect of this file: {'; '.join(aspects)}",
                )
        if not cell.sentence:
            raise cell.error(
                f"{last.name!r} without a docstring", "the sentence that sets its author right"
            )


def _is_call_of_expect(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).startswith("expect.")


def bound(statements: Iterable[ast.stmt]) -> Iterable[str]:
    """The names that top-level statements define."""
    for node in statements:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))


def _numbers(cell: Cell) -> list[int]:
    return [int(n) for n in str(cell.options.get("items", "")).split()]


def _nearest(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, [k for k in known if k], n=1)
    return f"{near[0]!r}? Or " if near else ""
