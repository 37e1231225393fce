"""Render an exercise as the nbgrader notebook that `source/` holds."""

import ast
import re
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from textwrap import indent
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.authoring import quiz
from autograder.authoring.course import BEGIN, END, Cell, Exercise, bound

KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
IMPORT = "from autograder import reference"
AUTHOR_ONLY = ("mistake", "alternative", "setup", "key", "evidence")
NAMES = """\
# Your name, and whom you worked with ("" if nobody).
NAME = ""
COLLABORATORS = ""
"""
# A figure or a line of text has nothing to be compared with: nbval looks for errors only.
ANY_OUTPUT = {"tags": ["nbval-ignore-output"]}


def render(exercise: Exercise) -> NotebookNode:
    """The whole notebook, solutions and hidden checks in it, with this term's questions."""
    items = {item.cell: item for item in quiz.items(exercise)}
    cells = [_prompt(exercise), _names(exercise)]
    counts: dict[str, int] = {}
    for cell in exercise.cells[1:]:
        if cell.role in AUTHOR_ONLY:
            continue
        if cell in items:
            number = [*items].index(cell) + 1
            cells += question(exercise, quiz.variant(items[cell], exercise.seed), number)
        elif cell.role == "hidden":
            cells.append(_hidden(exercise, cell))
        elif cell.role == "solution":
            cells.append(_cell(exercise, cell.defines[0], cell.source, solution=True))
        else:
            role = cell.role or ("prose" if cell.kind == "markdown" else "given")
            counts[role] = counts.get(role, 0) + 1
            # A check is a grade cell without points: so `nbgrader validate` looks at it too.
            points = 0 if cell.role == "check" else None
            name = f"{role}-{counts[role]}"
            cells.append(_cell(exercise, name, cell.source, kind=cell.kind, points=points))
    twins = [name for name, times in Counter(cell.id for cell in cells).items() if times > 1]
    if twins:
        raise exercise.header.error(
            f"two cells with the id {twins[0]!r}", "aspects and ids that differ in their letters"
        )
    metadata: dict[str, Any] = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    if exercise.forbid:
        metadata["autograder"] = {"forbid": list(exercise.forbid)}
    notebook = new_notebook(cells=cells, metadata=metadata)
    notebook.nbformat_minor = 5
    return notebook


def points(exercise: Exercise) -> tuple[int, int]:
    """The points that checks give, and those that a person gives."""
    items = quiz.items(exercise)
    checked = sum(int(cell.options["points"]) for cell in exercise.of("hidden"))
    checked += sum(item.points for item in items if item.kind != "text")
    return checked, sum(item.points for item in items if item.kind == "text")


def stub(source: str) -> str:
    """The solution cell as students get it.

    Inside a function the solution becomes a line that says it is not attempted yet; an answer that
    is a value becomes `name = ...`.
    """
    kept: list[str] = []
    hidden: list[str] | None = None
    for line in source.splitlines():
        if line.strip() == BEGIN:
            hidden, margin = [], line[: len(line) - len(line.lstrip())]
        elif line.strip() == END and hidden is not None:
            kept += _stub_lines(kept, hidden, margin)
            hidden = None
        elif hidden is not None:
            hidden.append(line)
        else:
            kept.append(line)
    return "\n".join(kept)


def solved(source: str) -> str:
    """The solution cell with the solution in it and the markers gone."""
    marks = (BEGIN, END)
    return "\n".join(line for line in source.splitlines() if line.strip() not in marks)


def _stub_lines(before: list[str], hidden: list[str], margin: str) -> list[str]:
    if not margin:
        return [f"{name} = ..." for name in bound(ast.parse("\n".join(hidden)).body)]
    heads = (re.match(r"( *)(?:def|class) (\w+)", line) for line in reversed(before))
    name = next(head[2] for head in heads if head and len(head[1]) < len(margin))
    return [
        f"{margin}# Your code goes here, in place of the next line.",
        f'{margin}raise NotImplementedError("`{name}` is not written yet")',
    ]


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _prompt(exercise: Exercise) -> NotebookNode:
    title, _, prose = exercise.header.source.strip().partition("\n")
    options = exercise.header.options
    stars = "★" * options["stars"] + "☆" * (3 - options["stars"])
    checked, by_hand = points(exercise)
    worth = f"{checked} points" + (f" and {by_hand} by a reader" if by_hand else "")
    facts = f"{stars} · about {options['minutes']} minutes · {worth} · goal: {options['goal']}"
    text = f"{title}\n\n*{facts}*\n\n{prose.strip()}"
    if exercise.forbid:
        text += f"\n\n{_without(exercise.forbid)}"
    return _cell(exercise, "prompt", text, kind="markdown")


def _without(forbidden: Sequence[str]) -> str:
    *others, last = (f"`{word}`" for word in forbidden)
    named = f"{', '.join(others)} and {last}" if others else last
    return f"*Do without PyTorch's {named}: a solution that calls them earns no points.*"


def _names(exercise: Exercise) -> NotebookNode:
    return new_code_cell(NAMES.strip(), id=cell_id(exercise, "names"), metadata=ANY_OUTPUT)


def _hidden(exercise: Exercise, cell: Cell) -> NotebookNode:
    aspect, worth = str(cell.options["aspect"]), int(cell.options["points"])
    source = _with_reference(cell.source, exercise)
    return _graded(exercise, slug(aspect), aspect, worth, source)


def _graded(exercise: Exercise, name: str, aspect: str, worth: int, source: str) -> NotebookNode:
    unit = "point" if worth == 1 else "points"
    lines = [
        f"# Hidden check, {worth} {unit}: {aspect}",
        "### BEGIN HIDDEN TESTS",
        source.strip(),
        "### END HIDDEN TESTS",
    ]
    return _cell(exercise, name, "\n".join(lines), points=worth)


def _with_reference(source: str, exercise: Exercise) -> str:
    """Write the reference where its import stands: nothing importable holds the answer."""
    if IMPORT not in source.splitlines():
        return source
    body = "\n\n".join(solved(cell.source) for cell in exercise.of("solution"))
    inline = (
        f"def _reference():\n{indent(body, '    ')}\n"
        "    return __import__('types').SimpleNamespace(**locals())\n\n\n"
        "reference = _reference()"
    )
    lines = source.splitlines()
    lines[lines.index(IMPORT)] = inline
    return "\n".join(lines)


def question(exercise: Exercise, drawn: quiz.Variant, number: int) -> list[NotebookNode]:
    """The cells of one question: prompt, answer, a look at its form, the check."""
    item = drawn.item
    unit = "point" if item.points == 1 else "points"
    heading = f"### Question {number} ({item.points} {unit})"
    if item.kind == "text":
        scheme = "\n".join(f"- [{worth}] {criterion}" for worth, criterion in item.rubric)
        prompt = (
            f"{heading}\n\n{drawn.prompt}\n\n"
            "*Write into the cell below; a reader gives the points.*\n\n"
            f"### BEGIN MARK SCHEME\n{scheme}\n### END MARK SCHEME"
        )
        identity = cell_id(exercise, f"{item.id}-answer")
        answer = new_markdown_cell("*Your answer:*", id=identity, metadata={"deletable": False})
        task = _cell(exercise, item.id, prompt, kind="markdown", points=item.points, task=True)
        return [task, answer]
    name, task = item.variable, ""
    listed = "\n".join(f"- **{letter})** {o.text}" for letter, o in drawn.letters.items())
    if item.kind == "choice":
        among, several = "".join(drawn.letters), len(drawn.right) > 1
        how = "all right letters in one pair of quotes" if several else "one letter in quotes"
        key = repr(drawn.right).replace("'", '"')
        form = f'expect.letters({name}, among="{among}"{", several=True" if several else ""})'
        feedback = {letter: option.why for letter, option in drawn.letters.items()}
        graded = f"expect.choice({name}, right={key}, feedback={_dict(feedback)})"
        task = "*Several are right: all of them, and no other, earn the points.*" if several else ""
    else:
        how = f"a number or an expression; {100 * drawn.rtol:g} % off still counts"
        key = repr(drawn.answer)
        form = f"expect.number({name})"
        graded = (
            f"expect.value(\n    {name}, right={key}, rtol={drawn.rtol},\n"
            f"    slips={_dict(drawn.slips)},\n)"
        )
    prompt = "\n\n".join(part for part in (heading, drawn.prompt, task, listed) if part)
    answer = f"# Your answer: {how}\n{BEGIN}\n{name} = {key}\n{END}"
    load = "from autograder import expect\n\n"
    return [
        _cell(exercise, f"{item.id}-question", prompt.strip(), kind="markdown"),
        _cell(exercise, item.id, answer, solution=True),
        _cell(exercise, f"{item.id}-form", load + form, points=0),
        _graded(exercise, f"{item.id}-right", f"{item.id}", item.points, load + graded),
    ]


def _dict(values: dict[Any, Any]) -> str:
    lines = "".join(f"    {key!r}: {value!r},\n" for key, value in values.items())
    return f"{{\n{lines}}}"


def cell_id(exercise: Exercise, name: str) -> str:
    """The same for every build; at most 64 characters, as the notebook format asks."""
    whole = slug(f"{exercise.name}-{name}")
    if len(whole) <= 64:
        return whole
    return f"{whole[:55]}-{sha256(whole.encode()).hexdigest()[:8]}"


def _cell(
    exercise: Exercise,
    name: str,
    source: str,
    *,
    kind: str = "code",
    points: int | None = None,
    solution: bool = False,
    task: bool = False,
) -> NotebookNode:
    identity = cell_id(exercise, name)
    marks: dict[str, Any] = {
        "grade": points is not None and not task,
        "grade_id": identity,
        "locked": not solution,
        "schema_version": 3,
        "solution": solution,
        "task": task,
    }
    if points is not None:
        marks["points"] = points
    if kind == "markdown":
        return new_markdown_cell(source.strip(), id=identity, metadata={"nbgrader": marks})
    return new_code_cell(source.strip(), id=identity, metadata={"nbgrader": marks, **ANY_OUTPUT})
