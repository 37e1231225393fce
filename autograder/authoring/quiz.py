"""Quiz items: read them from their cells, draw a variant, say how each known answer is wrong."""

import ast
import keyword
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from autograder.authoring.course import Cell, Exercise

KINDS = ("choice", "numeric", "text")
LETTERS = "abcdefghij"
OPTION = re.compile(r"^- \[(?P<mark>[ xX])\] +(?P<text>.*)$")
CONTINUED = re.compile(r"^ {2,}(?![-*] +\[)\S")
CRITERION = re.compile(r"^- \[(?P<points>[^\]]*)\] +(?P<text>.*)$")
BLANK = re.compile(r"\{\{ *(\w+) *\}\}")
T = TypeVar("T")


def draw(among: Sequence[T]) -> T:
    """One of several values; grading puts a generator of its own in place of this one."""
    return random.Random(0).choice(among)


@dataclass(frozen=True)
class Option:
    """One option of a choice: what it says, whether it is right, what its taker reads."""

    text: str
    right: bool
    why: str


@dataclass(frozen=True)
class Item:
    """One question, as written: numbers not drawn yet, options in the author's order."""

    cell: Cell
    prompt: str
    options: tuple[Option, ...] = ()
    rubric: tuple[tuple[int, str], ...] = ()
    setup: tuple[Cell, ...] = ()
    key: Cell | None = None
    evidence: tuple[Cell, ...] = ()

    @property
    def kind(self) -> str:
        return self.cell.role

    @property
    def id(self) -> str:
        return str(self.cell.options["id"])

    @property
    def points(self) -> int:
        return int(self.cell.options["points"])

    @property
    def variable(self) -> str:
        """The name that holds a student's answer."""
        return self.id.replace("-", "_")


@dataclass(frozen=True)
class Variant:
    """An item with its numbers drawn and its options in a drawn order."""

    item: Item
    seed: int
    prompt: str
    options: tuple[Option, ...]
    names: Mapping[str, Any]

    @cached_property
    def letters(self) -> dict[str, Option]:
        return dict(zip(LETTERS, self.options, strict=False))

    @property
    def right(self) -> str:
        """The letters of the right options."""
        return "".join(letter for letter, option in self.letters.items() if option.right)

    @property
    def answer(self) -> float:
        return float(self.names["answer"])

    @property
    def slips(self) -> dict[str, float]:
        return {why: float(value) for why, value in self.names.get("slips", {}).items()}

    @property
    def rtol(self) -> float:
        return float(self.item.cell.options.get("rtol", 0.01))


def items(exercise: Exercise) -> tuple[Item, ...]:
    """The questions of a file, each with the key and the evidence that follow it."""
    found: list[Item] = []
    for cell in exercise.cells:
        if cell.role in KINDS:
            found.append(replace(_read(cell), setup=_setup_for(cell, exercise)))
        elif cell.role in ("key", "evidence"):
            if not found:
                raise cell.error(f"{cell.role} before any question", "the question first")
            if cell.role == "key":
                if found[-1].key:
                    raise cell.error(f"a second key for {found[-1].id!r}", "one key a question")
                found[-1] = replace(found[-1], key=cell)
            else:
                found[-1] = replace(found[-1], evidence=(*found[-1].evidence, cell))
    seen: dict[str, Item] = {}
    taken = _names_of_the_code(exercise)
    for item in found:
        if seen.setdefault(item.id, item) is not item:
            raise item.cell.error(f"the id {item.id!r} again", "an id of its own")
        if item.kind == "numeric" and not item.key:
            raise item.cell.error("no key", "a cell that computes answer: # %% key")
        if item.variable in taken:
            raise item.cell.error(
                f"the id {item.id!r}, whose variable `{item.variable}` stands for something else",
                "an id that is no name of the file's code",
            )
    return tuple(found)


def _setup_for(question: Cell, exercise: Exercise) -> tuple[Cell, ...]:
    """The setup cells of a question: those for all, and those that name it."""
    named = question.options["id"]
    cells = ((cell, str(cell.options.get("of", "")).split()) for cell in exercise.of("setup"))
    return tuple(cell for cell, of in cells if not of or named in of)


def variant(item: Item, seed: int) -> Variant:
    """Draw the numbers and the order of the options: the same seed, the same question."""
    names: dict[str, Any] = {}
    if item.key:
        names = namespace(item, seed)
        _run_for_author(item.key, names)
    if item.kind == "numeric":
        _check_key(item, names)
    options = [
        Option(_fill(o.text, item.cell, names), o.right, _fill(o.why, item.cell, names))
        for o in item.options
    ]
    _generator(item, seed, "order").shuffle(options)
    if len({o.text for o in options}) < len(options):
        raise item.cell.error(f"two options that read the same (seed {seed})", "distinct options")
    return Variant(item, seed, _fill(item.prompt, item.cell, names), tuple(options), names)


def namespace(item: Item, seed: int) -> dict[str, Any]:
    """The names that the key and the evidence of an item start with."""
    names: dict[str, Any] = {"__name__": "quiz"}
    for cell in item.setup:
        _run_for_author(cell, names)
    names["draw"] = _generator(item, seed, "numbers").choice
    return names


def run_cell(cell: Cell, names: dict[str, Any]) -> None:
    exec(compile(cell.source, f"{cell.path}, cell {cell.number}", "exec"), names)


def _run_for_author(cell: Cell, names: dict[str, Any]) -> None:
    try:
        run_cell(cell, names)
    except Exception as error:
        raise cell.error(f"{type(error).__name__}: {error}", "code that runs") from error


def _names_of_the_code(exercise: Exercise) -> set[str]:
    """What given and solution cells define or import."""
    names = {"expect", "NAME", "COLLABORATORS"}
    for cell in exercise.of("", "solution", "check"):
        for node in ast.walk(cell.tree):
            if isinstance(node, ast.alias):
                names.add((node.asname or node.name).split(".")[0])
        names |= set(cell.defines)
    return names


def _generator(item: Item, seed: int, purpose: str) -> random.Random:
    return random.Random(f"{seed}/{item.id}/{purpose}")


def _read(cell: Cell) -> Item:
    identity = str(cell.options["id"])
    if not re.fullmatch(r"[a-z][a-z0-9-]*", identity):
        raise cell.error(
            f"id={identity!r}", "small letters, digits and dashes: it names a variable"
        )
    if keyword.iskeyword(identity):
        raise cell.error(f"id={identity!r}", "a name that is no word of Python's own")
    rtol = cell.options.get("rtol", 0.01)
    if isinstance(rtol, bool) or not isinstance(rtol, int | float) or not 0 < rtol < 0.5:
        raise cell.error(f"rtol={rtol!r}", "a number between 0 and 0.5, such as 0.01")
    if cell.role == "numeric":
        return Item(cell, cell.source.strip())
    start = re.compile(r"^- \[", re.M).search(cell.source)
    what = "options: - [x] right, - [ ] wrong" if cell.role == "choice" else "criteria: - [1] …"
    if not start:
        raise cell.error("no list", what)
    prompt, listed = cell.source[: start.start()].strip(), cell.source[start.start() :]
    mark = OPTION if cell.role == "choice" else CRITERION
    for line in listed.splitlines():
        if line.strip() and not mark.match(line) and not CONTINUED.match(line):
            raise cell.error(
                f"the line {line!r} in the list",
                "- [ ] at the margin, or a line indented by two spaces that goes on with it",
            )
    blocks = [
        block.strip() for block in re.split(r"^(?=- \[)", listed, flags=re.M) if block.strip()
    ]
    if cell.role == "text":
        return Item(cell, prompt, rubric=_rubric(cell, blocks))
    options = tuple(_option(cell, block) for block in blocks)
    if len(options) < 2 or len(options) > len(LETTERS) or not any(o.right for o in options):
        raise cell.error(
            f"{len(options)} options, {sum(o.right for o in options)} of them right",
            f"two to {len(LETTERS)} options, at least one marked - [x]",
        )
    if all(o.right for o in options):
        raise cell.error("only right options", "at least one that a misunderstanding leads to")
    return Item(cell, prompt, options=options)


def _option(cell: Cell, block: str) -> Option:
    lines = block.splitlines()
    match = OPTION.match(lines[0])
    if not match:
        raise cell.error(f"the option {lines[0]!r}", "- [x] or - [ ], a space, the option")
    said = [line.strip() for line in lines[1:]]
    text = [match["text"], *(line for line in said if not line.startswith(">"))]
    why = [line.removeprefix(">").strip() for line in said if line.startswith(">")]
    if not why:
        raise cell.error(
            f"the option {match['text']!r} without feedback",
            "under it, indented: > what a student who picked it should hear",
        )
    feedback = " ".join(why)
    if "$" in feedback:
        raise cell.error(f"feedback with a formula: {feedback!r}", "plain text: a message shows it")
    return Option(" ".join(text).strip(), match["mark"] != " ", feedback)


def _rubric(cell: Cell, blocks: list[str]) -> tuple[tuple[int, str], ...]:
    rubric = []
    for block in blocks:
        match = CRITERION.match(" ".join(block.split()))
        if not match or not match["points"].isdigit():
            raise cell.error(f"the criterion {block!r}", "- [whole points] what earns them")
        rubric.append((int(match["points"]), match["text"]))
    given = sum(points for points, _ in rubric)
    if given != cell.options["points"]:
        raise cell.error(
            f"criteria worth {given}", f"points that add up to {cell.options['points']}"
        )
    return tuple(rubric)


def _check_key(item: Item, names: Mapping[str, Any]) -> None:
    assert item.key is not None
    if "answer" not in names:
        raise item.key.error("no answer", "a number named answer")
    slips = names.get("slips", {})
    if not isinstance(slips, dict) or not slips:
        raise item.key.error("no slips", "slips = {explanation: the wrong number}")
    for name, number in {"answer": names["answer"], **slips}.items():
        if "$" in name:
            raise item.key.error(
                f"a slip with a formula: {name!r}", "plain text: a message shows it"
            )
        try:
            finite = math.isfinite(float(number))
        except (TypeError, ValueError, OverflowError):
            finite = False
        if not finite:
            raise item.key.error(f"{name!r}: {number!r}", "a finite number")
    if names["answer"] == 0:
        raise item.key.error("an answer of 0", "another number: the tolerance is relative to it")


def _fill(text: str, cell: Cell, names: Mapping[str, Any]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in names:
            raise cell.error(f"{match[0]}", f"a name that the key draws: {match[1]} = draw([…])")
        return str(names[match[1]])

    return BLANK.sub(value, text)
