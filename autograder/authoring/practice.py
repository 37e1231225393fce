"""Practice: questions with an answer at once, in the terminal or in a notebook of their own."""

import ast
import random
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from autograder import expect
from autograder.authoring import notebook, quiz
from autograder.authoring.course import Exercise

WIDTH = 88
DRAWS = 20  # seeds tried for a variant that is not the graded one
HELP = "A letter (or several), a number such as 2 / 3, Enter to skip, q to stop."
ABOUT = """\
# Practice

Other variants than the graded ones; nothing here counts. Write an answer, run the cell below it,
and read what it says. The checks hold the keys, so they are folded away.
"""


def questions(exercises: Iterable[Exercise], count: int, seed: int) -> list[quiz.Variant]:
    """Some of the questions that a machine can judge, each in a variant that is not graded."""
    chance = random.Random(seed)
    found = [
        (exercise, item)
        for exercise in exercises
        for item in quiz.items(exercise)
        if item.kind != "text"
    ]
    chosen = chance.sample(found, min(count, len(found)))
    return [_another(item, exercise.seed, chance) for exercise, item in chosen]


def _another(item: quiz.Item, graded: int, chance: random.Random) -> quiz.Variant:
    """A variant that reads differently from the graded one, if the item has any."""
    taken = quiz.variant(item, graded)
    for _ in range(DRAWS):
        drawn = quiz.variant(item, chance.randrange(1, 1_000_000))
        if (drawn.prompt, drawn.options) != (taken.prompt, taken.options):
            break
    return drawn


def ask(
    drawn: Sequence[quiz.Variant],
    say: Callable[[str], None] = print,
    read: Callable[[str], str] = input,
) -> tuple[int, int]:
    """Ask in the terminal; return how many were right, of how many answered."""
    right = answered = 0
    again: Counter[str] = Counter()
    say(HELP)
    for number, variant in enumerate(drawn, 1):
        say(f"\n{'-' * WIDTH}\n{number} of {len(drawn)}\n\n{_text(variant)}\n")
        try:
            verdict = _ask_one(variant, say, read)
        except (EOFError, KeyboardInterrupt):
            break
        if verdict is not None:
            answered += 1
            right += verdict
            if not verdict:
                cell = variant.item.cell
                again[f"{cell.path.parent.name}/{cell.path.stem}"] += 1
    say(f"\n{right} of {answered} right.")
    if again:
        say("Look again at " + ", ".join(name for name, _ in again.most_common()) + ".")
    return right, answered


def _ask_one(
    variant: quiz.Variant, say: Callable[[str], None], read: Callable[[str], str]
) -> bool | None:
    """Whether the answer is right; None if there is none. What is malformed is asked again."""
    while True:
        words = read("> ").strip()
        if words.lower() == "q":
            raise EOFError
        if not words:
            say(f"Skipped. Right would be {_key(variant)}.")
            return None
        try:
            answer = words if variant.item.kind == "choice" else arithmetic(words)
            _judge(variant, answer)
        except ValueError as error:
            say(f"{error} {HELP}")
        except expect.Mistake as mistake:
            if _is_malformed(variant, answer):
                say(str(mistake))
                continue
            say(_wrapped(f"Not right. {mistake.think}"))
            say(f"Right would be {_key(variant)}.")
            return False
        else:
            if variant.item.kind == "numeric":
                say(f"Right: {variant.answer:.6g}.")
            return True


def arithmetic(words: str) -> float:
    """The value of an expression of numbers; nothing in it is run."""
    operators: dict[type, Callable[[float, float], float]] = {
        ast.Add: lambda a, b: a + b,
        ast.Sub: lambda a, b: a - b,
        ast.Mult: lambda a, b: a * b,
        ast.Div: lambda a, b: a / b,
        ast.Pow: lambda a, b: float(a) ** b,
    }

    def value(node: ast.expr) -> float:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return float(node.value)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -value(node.operand)
        if isinstance(node, ast.BinOp) and type(node.op) in operators:
            done = operators[type(node.op)](value(node.left), value(node.right))
            if isinstance(done, float):
                return done
        raise ValueError(f"{words!r} is no number.")

    try:
        return value(ast.parse(words.replace("^", "**"), mode="eval").body)
    except (SyntaxError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"{words!r} is no number.") from error


def _judge(variant: quiz.Variant, answer: str | float) -> None:
    if variant.item.kind == "choice":
        feedback = {letter: option.why for letter, option in variant.letters.items()}
        expect.choice(answer, right=variant.right, feedback=feedback)
    else:
        assert isinstance(answer, float)
        expect.value(answer, right=variant.answer, slips=variant.slips, rtol=variant.rtol)


def _is_malformed(variant: quiz.Variant, answer: str | float) -> bool:
    if variant.item.kind != "choice" or not isinstance(answer, str):
        return False
    return not answer or bool(set(answer.replace(",", "").replace(" ", "")) - set(variant.letters))


def _key(variant: quiz.Variant) -> str:
    if variant.item.kind == "choice":
        return ", ".join(variant.right)
    return f"{variant.answer:.6g}"


def _text(variant: quiz.Variant) -> str:
    lines = [variant.prompt.strip()]
    if len(variant.right) > 1:
        lines.append("Several are right.")
    lines += [
        textwrap.fill(f"{letter}) {option.text}", WIDTH, subsequent_indent="   ")
        for letter, option in variant.letters.items()
    ]
    return "\n\n".join(lines[:1]) + "\n\n" + "\n".join(lines[1:])


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH)


def as_notebook(drawn: Sequence[quiz.Variant], exercise: Exercise) -> NotebookNode:
    """The questions as a notebook: answers are empty, each check lies below its answer, folded."""
    cells = [new_markdown_cell(ABOUT.strip(), id="practice")]
    for number, variant in enumerate(drawn, 1):
        for cell in notebook.question(exercise, variant, number):
            marks = cell.metadata.pop("nbgrader", {})
            cell.id = f"q{number}-{len(cells)}"
            if marks.get("solution"):
                cell.source = notebook.stub(cell.source)
            elif marks.get("grade") and marks.get("points"):
                lines = cell.source.splitlines()
                cell.source = "\n".join(line for line in lines if not line.startswith("#"))
                cell.metadata["jupyter"] = {"source_hidden": True}
            elif marks.get("grade"):
                continue  # the form: here the check itself says what is malformed
            cells.append(cell)
    made = new_notebook(cells=cells, metadata={"kernelspec": notebook.KERNEL})
    made.nbformat_minor = 5
    return made
